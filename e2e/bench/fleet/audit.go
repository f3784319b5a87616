package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"time"
)

// request is one of the scaler's, as the API server has written it down.
type request struct {
	Stage                    string
	RequestURI               string
	Verb                     string
	UserAgent                string
	ObjectRef                struct{ Resource, Subresource, APIGroup string }
	ResponseStatus           struct{ Code int }
	RequestReceivedTimestamp time.Time
	StageTimestamp           time.Time
}

// requests are all that the API server has written down, but for those that are still going on.
func (p *plane) requests() (all []request, err error) {
	file, err := os.Open(p.audit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, mib)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("reading the API server's audit log: %w", err)
		}
		if r.Stage == "ResponseComplete" || r.Stage == "ResponseStarted" && r.Verb == "watch" {
			all = append(all, r)
		}
	}
	return all, lines.Err()
}

// what is asked for, in a person's words.
func (r *request) what() string {
	what := r.Verb + " " + r.ObjectRef.Resource
	if r.ObjectRef.APIGroup == "metrics.k8s.io" { // or they would be taken for pods themselves
		what += "." + r.ObjectRef.APIGroup
	}
	if r.ObjectRef.Subresource != "" {
		what += "/" + r.ObjectRef.Subresource
	}
	return what
}

// between are the requests that came in from one time to another, by what they ask for.
func between(all []request, from, until time.Time) map[string]int {
	n := map[string]int{}
	for i := range all {
		if r := &all[i]; r.Stage == "ResponseComplete" && r.Verb != "watch" && !r.RequestReceivedTimestamp.Before(from) && r.RequestReceivedTimestamp.Before(until) {
			n[r.what()]++
		}
	}
	return n
}

// unlimited are lists of everything at once, by what they are of. A watch that begins with what there is sends it one by one, and is none.
func unlimited(all []request) map[string]int {
	n := map[string]int{}
	for i := range all {
		r := &all[i]
		if r.Verb != "list" {
			continue
		}
		if asked, err := url.ParseRequestURI(r.RequestURI); err != nil || asked.Query().Get("limit") == "" {
			n[r.what()]++
		}
	}
	return n
}
