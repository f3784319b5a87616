package prometheus

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Options say which Prometheus is asked, and how. Only URL has to be given.
type Options struct {
	// URL of its HTTP API, without /api/v1.
	URL string
	// Matchers that every query has besides those of namespaces, as PromQL writes them: cluster="one". A Prometheus that knows several clusters
	// needs them, or containers of one name in two clusters are taken for one.
	Matchers string
	// Window over which CPU is a mean and memory a peak. Two scrapes of the kubelets must lie within, or CPU is not known; a peak of CPU that is
	// shorter shows as less: two to four times the interval of scraping is best. 2 minutes if it is not given.
	Window time.Duration
	// Labels that name the container.
	Labels Labels
	// Header that every request has, such as "X-Scope-OrgID: one" for the tenant of a Mimir.
	Header string
	// TokenFile holds a bearer token. It is read again every minute.
	TokenFile string
	// CAFile holds the certificates of who has signed that of the server, instead of those of the machine. It is read again when it changes.
	CAFile string
	// Timeout of one query. 30 seconds if it is not given.
	Timeout time.Duration
	// MaxAnswer is how many bytes of one answer are read. 64 MiB if it is not given: a hundred thousand containers.
	MaxAnswer int64
}

// Labels are the names of the labels of cAdvisor's series; kubelets say namespace, pod and container.
type Labels struct{ Namespace, Pod, Container string }

var (
	matchers  = regexp.MustCompile(`^` + matcher + `(,` + matcher + `)*$`)
	labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
)

const matcher = `\s*[a-zA-Z_][a-zA-Z0-9_]*\s*(=|!=|=~|!~)\s*"([^"\\\n]|\\.)*"\s*`

// complete fills in what was not given, and refuses what cannot work.
func (o Options) complete() (Options, error) {
	o.Window = cmp.Or(o.Window, 2*time.Minute)
	o.Timeout = cmp.Or(o.Timeout, 30*time.Second)
	o.MaxAnswer = cmp.Or(o.MaxAnswer, 64<<20)
	o.Labels = Labels{cmp.Or(o.Labels.Namespace, "namespace"), cmp.Or(o.Labels.Pod, "pod"), cmp.Or(o.Labels.Container, "container")}
	return o, errors.Join(o.checkURL(), o.checkLabels(), o.checkHeader(), o.checkBounds())
}

func (o Options) checkURL() error {
	u, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return errors.New("the URL of Prometheus cannot be read; want one like http://prometheus.monitoring:9090") // it may hold a password
	case u.User != nil:
		return fmt.Errorf("the URL of Prometheus, %s, has a user or a password, which would be seen in flags and statuses; "+
			"put a bearer token into a file and name that instead", u.Redacted())
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.RawQuery != "", u.Fragment != "":
		return fmt.Errorf("the URL of Prometheus is %q; want one like http://prometheus.monitoring:9090", o.URL)
	}
	return nil
}

func (o Options) checkLabels() error {
	var all []error
	if o.Matchers != "" && !matchers.MatchString(o.Matchers) {
		all = append(all, fmt.Errorf(`the matchers for Prometheus are %q; want them like cluster="one",job=~"kubelet|cadvisor"`, o.Matchers))
	}
	l := o.Labels
	for _, name := range []string{l.Namespace, l.Pod, l.Container} {
		if !labelName.MatchString(name) {
			all = append(all, fmt.Errorf("%q cannot be the name of a label of Prometheus; the kubelets say namespace, pod and container", name))
		}
	}
	if l.Namespace == l.Pod || l.Pod == l.Container || l.Container == l.Namespace {
		all = append(all, fmt.Errorf("namespace, pod and container need a label of Prometheus each, and are %q, %q and %q", l.Namespace, l.Pod, l.Container))
	}
	return errors.Join(all...)
}

func (o Options) checkHeader() error {
	if o.Header == "" {
		return nil
	}
	if name, value := o.header(); name == "" || value == "" || strings.ContainsAny(name+value, " \r\n") || name == "Authorization" {
		return errors.New(`the header for Prometheus must be like "X-Scope-OrgID: one", and no Authorization: a token belongs into a file`)
	}
	return nil
}

func (o Options) header() (name, value string) {
	name, value, _ = strings.Cut(o.Header, ":")
	return http.CanonicalHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
}

func (o Options) checkBounds() error {
	if o.Window < time.Second || o.Window > step || o.Timeout < 0 || o.MaxAnswer < 0 {
		return fmt.Errorf("for Prometheus the window is %s, the timeout %s and the largest answer %d bytes; want a window from 1s to %s and no negative bound",
			o.Window, o.Timeout, o.MaxAnswer, step)
	}
	return nil
}
