package probes

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// question is one that a tenant is asked.
//
// How to add one: write it into this list. It is asked on the connection of the one before it, so the one whose answer does not end is the last. Give
// ProbesUser the rights that it takes (operators/tenantcluster/prober.go), and tell of it in docs/spec/clusterscaler.md.
type question struct {
	name, method, path, body string
	heard                    func(io.Reader) error
}

const configMaps = "/api/v1/namespaces/" + v1alpha1.ProbesNamespace + "/configmaps"

// questions, each of which shows what the one before it does not: that an API server lives; that it reads from etcd; that requests pass admission; and
// that what etcd has is delivered to watches. The watch has to tell all there is as of now and then say so, which takes a cache that keeps up with etcd.
var questions = []question{
	{"readyz", http.MethodGet, "/readyz", "", ended},
	{"list", http.MethodGet, configMaps + "?limit=1", "", ended},
	{"dry-run create", http.MethodPost, configMaps + "?dryRun=All", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"probe-"}}`, ended},
	{"watch", http.MethodGet, configMaps + "?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", "", delivered},
}

// answer of a tenant; the zero value is that all is well.
type answer struct {
	unknown string // why it could not be asked
	failed  string // the first question that was not answered as it should
	says    string // and how
}

// most is how many bytes an answer may have.
const most = 1 << 20

// interview asks everything on one connection, which is closed at the end whatever happens.
func interview(ctx context.Context, address string, trust *tls.Config) answer {
	line := &line{}
	defer line.hangUp()
	dialer := &tls.Dialer{Config: trust}
	c := &http.Client{
		Transport: &http.Transport{
			MaxConnsPerHost: 1, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
			DialTLSContext: func(_ context.Context, network, address string) (net.Conn, error) { // its context goes on when the question is over
				return line.keep(dialer.DialContext(ctx, network, address))
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for _, q := range questions {
		err := q.ask(ctx, c, "https://"+address)
		if err != nil && ctx.Err() != nil {
			err = ctx.Err() // however it shows
		}
		switch {
		case errors.As(err, new(refusal)):
			return answer{unknown: "its probe is not let in: " + q.name + ": " + words(err)}
		case err != nil:
			return answer{failed: q.name, says: q.name + ": " + words(err)}
		}
	}
	return answer{}
}

func (q *question) ask(ctx context.Context, c *http.Client, server string) error {
	request, err := http.NewRequestWithContext(ctx, q.method, server+q.path, bytes.NewBufferString(q.body))
	if err != nil {
		return err
	}
	request.Header = http.Header{"User-Agent": {v1alpha1.ProbesSecret}, "Accept": {"application/json"}}
	if q.body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body := io.LimitReader(response.Body, most)
	if response.StatusCode/100 == 2 {
		return q.heard(body)
	}
	err = fmt.Errorf("HTTP %d%s", response.StatusCode, said(body))
	switch response.StatusCode { // these say something of us, and not of what the tenant does for its users
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusBadRequest, http.StatusUnprocessableEntity: // of a webhook that knows no dry run, of a policy, of an API server without WatchList
		return refusal{err}
	}
	return err
}

// refusal: we may not ask.
type refusal struct{ error }

// said is the message of a Status that an API server answers with, if it is one.
func said(body io.Reader) string {
	var s metav1.Status
	if json.NewDecoder(body).Decode(&s) != nil || s.Message == "" {
		return ""
	}
	return ": " + s.Message[:min(len(s.Message), 200)]
}

func ended(body io.Reader) error {
	n, err := io.Copy(io.Discard, body)
	if err == nil && n == most {
		return errors.New("the answer has more than 1 MiB")
	}
	return err
}

// delivered: the watch has told all there was when it began.
func delivered(body io.Reader) error {
	for events := json.NewDecoder(body); ; {
		var event struct {
			Type   string
			Object struct {
				metav1.ObjectMeta `json:"metadata"`
				Message           string
			}
		}
		switch err := events.Decode(&event); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return errors.New("it has ended before it had told what there is")
		case err != nil:
			return err
		case event.Type == "ERROR":
			return fmt.Errorf("it has failed: %s", event.Object.Message)
		case event.Type == "BOOKMARK" && event.Object.Annotations[metav1.InitialEventsAnnotationKey] == "true":
			return nil
		}
	}
}

// line is the connections of an interview: one, or more if the other side hangs up in between. The client dials beside the question that waits for it,
// so one may come when the interview is over.
type line struct {
	mu   sync.Mutex
	over bool
	open []net.Conn
}

func (l *line) keep(c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		c.Close()
		return nil, net.ErrClosed
	}
	l.open = append(l.open, c)
	return c, nil
}

func (l *line) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for _, c := range l.open {
		c.Close()
	}
}

// words of an error, without what is another each time, such as our port.
func words(err error) string {
	var op *net.OpError
	var of *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("no answer within %s", limit)
	case errors.As(err, &op):
		return op.Op + ": " + op.Err.Error()
	case errors.As(err, &of):
		return of.Err.Error()
	}
	return err.Error()
}
