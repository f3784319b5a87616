package exposition

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// patience is how long a question may take, from the connection to the last byte.
const patience = 10 * time.Second

// Result of a question, as it is counted.
type Result string

// Results of questions.
const (
	Answered    Result = "answered"
	Unreachable Result = "unreachable"
	Untrusted   Result = "untrusted" // its certificate is another one
	Late        Result = "late"
	Refused     Result = "refused"
	TooLarge    Result = "too-large"
	Unreadable  Result = "unreadable"
	Unequipped  Result = "unequipped" // we have not got what it takes to ask
)

// Fault is why a question has no answer.
type Fault struct {
	Result Result
	Says   string
}

func (f *Fault) Error() string { return f.Says }

// Faultf makes a fault.
func Faultf(r Result, format string, args ...any) *Fault {
	return &Fault{r, fmt.Sprintf(format, args...)}
}

func faultf(r Result, format string, args ...any) error { return Faultf(r, format, args...) }

// ResultOf is how the error is counted.
func ResultOf(err error) Result {
	var f *Fault
	switch {
	case err == nil:
		return Answered
	case errors.As(err, &f):
		return f.Result
	}
	return Unreachable
}

// Question is whom to ask and how.
type Question struct {
	URL    string
	Trust  *tls.Config   // nil for plain HTTP
	Bearer string        // token; empty for none
	Within time.Duration // patience if zero
}

// Ask asks for the wanted families. It returns how many bytes came, also if they are of no use. Each question has a connection of its own: there may be
// thousands of programs, and most are asked seldom.
func (w Wanted) Ask(ctx context.Context, q Question, now func() time.Time) (a *Answer, size int64, err error) {
	q.Within = cmp.Or(q.Within, patience)
	ctx, cancel := context.WithTimeout(ctx, q.Within)
	defer cancel()
	response, err := q.send(ctx)
	if err != nil {
		return nil, 0, q.explain(ctx, err)
	}
	defer response.Body.Close()
	if why := unfit(response); why != nil {
		return nil, 0, why
	}
	body := &counted{from: response.Body}
	r, err := w.sum(body)
	if err != nil {
		return nil, body.n, q.explain(ctx, err)
	}
	return r.answer(now()), body.n, nil
}

func (q *Question) send(ctx context.Context) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, q.URL, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	request.Header.Set("User-Agent", "metapilot-cluster-scaler")
	if q.Bearer != "" {
		request.Header.Set("Authorization", "Bearer "+q.Bearer)
	}
	client := &http.Client{
		// Compression would cost the CPU of a program that may have too little, and hide how much comes.
		Transport: &http.Transport{TLSClientConfig: q.Trust, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10},
		// A stranger does not tell us whom to ask instead.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client.Do(request)
}

// unfit is why an answer is not even read; nil if it is.
func unfit(r *http.Response) error {
	switch {
	case r.StatusCode == http.StatusTooManyRequests:
		return faultf(Refused, "it turned away our own question for its metrics, too (HTTP 429)")
	case r.StatusCode != http.StatusOK:
		return faultf(Refused, "it answers the question for its metrics with HTTP %d", r.StatusCode)
	case r.Header.Get("Content-Encoding") != "":
		return faultf(Unreadable, "its metrics are compressed, which was not asked for")
	case r.ContentLength > mostBytes:
		return faultf(TooLarge, "its metrics are larger than %d MiB", mostBytes>>20)
	}
	return nil
}

// explain says why a question has no answer.
func (q *Question) explain(ctx context.Context, err error) error {
	var fault *Fault
	var certificate *tls.CertificateVerificationError
	var network net.Error
	switch {
	case errors.As(err, &fault):
		return fault
	case errors.As(err, &certificate):
		return faultf(Untrusted, "the certificate for its metrics is another one: %s", short(certificate.Err.Error()))
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return faultf(Late, "its metrics were not told within %s", q.Within)
	}
	return faultf(Unreachable, "its metrics cannot be asked: %s", short(err.Error()))
}
