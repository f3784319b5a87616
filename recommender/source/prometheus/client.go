package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	"k8s.io/client-go/transport"

	"github.com/metapilot/metapilot/recommender/source"
)

// client asks queries over HTTP. It reads answers itself: the typed client of client_golang (api/prometheus/v1) takes a sample of an instant query
// whose value is null for a zero, and keeps the text of a server's error from its message.
type client struct {
	api     api.Client
	options Options
}

func newClient(o Options) (*client, error) {
	to, err := transport.New(&transport.Config{
		TLS:             transport.TLSConfig{CAFile: o.CAFile, ReloadCAFiles: true},
		BearerTokenFile: o.TokenFile,
		WrapTransport:   func(next http.RoundTripper) http.RoundTripper { return bounded{next, o.MaxAnswer} },
		UserAgent:       "metapilot-recommender",
	})
	if err != nil {
		return nil, fmt.Errorf("reading the token (%q) or the certificates (%q) for Prometheus: %w", o.TokenFile, o.CAFile, err)
	}
	a, err := api.NewClient(api.Config{Address: o.URL, Client: &http.Client{
		Transport:     to,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err != nil {
		return nil, err
	}
	return &client{a, o}, nil
}

func (c *client) instant(ctx context.Context, query string) ([]series, error) {
	return c.ask(ctx, "/api/v1/query", "vector", url.Values{"query": {query}})
}

func (c *client) past(ctx context.Context, query string, from, to time.Time) ([]series, error) {
	return c.ask(ctx, "/api/v1/query_range", "matrix", url.Values{
		"query": {query}, "start": {unix(from)}, "end": {unix(to)}, "step": {seconds(step)},
	})
}

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// ask wants series of that type. There may be series beside an error, which is then about what is missing.
func (c *client) ask(ctx context.Context, endpoint, want string, form url.Values) ([]series, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	if deadline, bounded := ctx.Deadline(); bounded { // Prometheus goes on for nobody otherwise
		form.Set("timeout", strconv.FormatFloat(max(time.Until(deadline).Seconds(), 0.001), 'f', 3, 64))
	}
	response, body, err := c.do(ctx, endpoint, form) //nolint:bodyclose // the client has read and closed it
	if err != nil {
		return nil, c.unanswered(ctx, err)
	}
	return c.read(response, body, want)
}

// do posts, since a query may be longer than a URL, and falls back to GET: that is all that some proxies allow, some of them because they take who
// posts for who writes.
func (c *client) do(ctx context.Context, endpoint string, form url.Values) (*http.Response, []byte, error) {
	u, text := c.api.URL(endpoint, nil), form.Encode()
	response, body, err := c.send(ctx, http.MethodPost, u.String(), strings.NewReader(text))
	if err == nil && (response.StatusCode == http.StatusForbidden || response.StatusCode == http.StatusMethodNotAllowed) {
		u.RawQuery = text
		return c.send(ctx, http.MethodGet, u.String(), http.NoBody)
	}
	return response, body, err
}

func (c *client) send(ctx context.Context, method, to string, form io.Reader) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, to, form)
	if err != nil {
		return nil, nil, err
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if name, value := c.options.header(); name != "" {
		request.Header.Set(name, value)
	}
	return c.api.Do(ctx, request)
}

// unanswered says why there is no answer to be read.
func (c *client) unanswered(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, errTooLarge):
		return fmt.Errorf("the Prometheus at %s answers with %w of %d bytes: raise it, or narrow the matchers", c.options.URL, errTooLarge, c.options.MaxAnswer)
	case ctx.Err() != nil:
		return fmt.Errorf("the Prometheus at %s did not answer in time: look at its load, or raise the timeout of %s", c.options.URL, c.options.Timeout)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the Prometheus at %s has broken its answer off: look whether it was restarted", c.options.URL)
	}
	return fmt.Errorf("the Prometheus at %s is out of reach: look whether it runs, and whether network policies allow it (%s)", c.options.URL, source.Quote(err.Error()))
}

// read is what an answer tells, or what it is instead of an answer of Prometheus.
func (c *client) read(response *http.Response, body []byte, want string) ([]series, error) {
	code := response.StatusCode
	a, err := parse(body)
	switch {
	case code/100 == 3:
		return nil, fmt.Errorf("the Prometheus at %s redirects to %q: give it the URL that is meant, or the token that it wants",
			c.options.URL, source.Quote(response.Header.Get("Location")))
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return nil, fmt.Errorf("the Prometheus at %s does not let us in (status %d): look at the token and at its rights", c.options.URL, code)
	case err == nil && a.Status == "error":
		return nil, fmt.Errorf("the Prometheus at %s failed (status %d, %s): %s", c.options.URL, code, source.Quote(a.ErrorType), source.Quote(a.Error))
	case code != http.StatusOK:
		return nil, fmt.Errorf("the Prometheus at %s answers with status %d: %s", c.options.URL, code, source.Quote(string(body)))
	case err != nil, a.Status != "success":
		return nil, c.foreign(response, body, err)
	}
	told, err := a.series(want)
	if err != nil {
		err = fmt.Errorf("the Prometheus at %s %w", c.options.URL, err)
	}
	return told, err
}

// foreign is something that was given as an answer and is none.
func (c *client) foreign(response *http.Response, body []byte, err error) error {
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if kind == "application/json" && err != nil {
		return fmt.Errorf("the Prometheus at %s gives an answer that is broken (%s)", c.options.URL, source.Quote(err.Error()))
	}
	return fmt.Errorf("what answers at %s is no Prometheus: it gives %s that begins with %q", c.options.URL, kind, source.Quote(string(body)))
}

var errTooLarge = errors.New("more than the largest answer")

// bounded lets no answer be larger than that.
type bounded struct {
	next http.RoundTripper
	most int64
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(r)
	if err == nil {
		response.Body = &limited{response.Body, b.most}
	}
	return response, err
}

type limited struct {
	io.ReadCloser
	left int64
}

// Read reads one byte more than there may be, to tell an answer that is just as large from one that is larger.
func (l *limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p[:min(int64(len(p)), l.left+1)])
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}
