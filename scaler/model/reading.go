package model

import "time"

// Reading is what the program of a pod says of itself in its metrics, as rates over the time between two answers. A part that is nil is not known. Where
// Unknown says why nothing is known now, only what changes slowly may be there: objects, size and quota, of the last two hours.
type Reading struct {
	At        time.Time     // of the newer answer
	Over      time.Duration // between the two
	Unknown   string        // why nothing is known now; empty if something is
	APIServer *APIServer
	Etcd      *Etcd
}

// APIServer is what a kube-apiserver says.
type APIServer struct {
	Requests float64 // answered in a second, watches aside
	Rejected float64 // of them with 429 in a second
	Levels   []PriorityLevel
	Flows    []Flow
	Webhooks []Webhook
	Storage  Latency          // of its questions to etcd
	Objects  map[string]int64 // stored, by resource
}

// PriorityLevel is one of priority and fairness: a number of seats that requests of its flow schemas share.
type PriorityLevel struct {
	Name      string
	Seats     float64 // that it has at least (nominal)
	Executing float64 // that are taken now
	Queued    float64 // requests that wait now
	Rejected  float64 // requests in a second that were turned away
	Reason    string  // of most of those: queue-full, concurrency-limit, time-out
}

// Flow is what came in through one flow schema.
type Flow struct {
	Level, Schema string
	Requests      float64 // dispatched in a second
	Work          float64 // seats that its requests asked for in a second: a list of much asks for many
	Rejected      float64 // requests in a second
}

// Webhook is one admission webhook.
type Webhook struct {
	Name     string
	Calls    float64 // in a second
	Latency  Latency
	Rejected float64 // calls in a second that failed or were refused
}

// Etcd is what an etcd member says.
type Etcd struct {
	Fsync, Commit   Latency // of its write-ahead log, of its backend
	Size            int64   // of the database in bytes
	Used            int64   // of it that is in use
	Quota           int64   // that it may grow to; 0 if it does not tell
	LeaderChanges   float64 // in an hour
	ProposalsFailed float64 // in a second
}

// Latency is how long something took: as many times in a second, the 99th percentile and the mean.
type Latency struct {
	Count     float64
	P99, Mean time.Duration
}
