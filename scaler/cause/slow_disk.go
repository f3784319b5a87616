package cause

import (
	"fmt"
	"time"

	"github.com/metapilot/metapilot/scaler/model"
)

// What etcd asks of a disk (etcd.io/docs, FAQ and tuning: 99th percentile of wal_fsync_duration_seconds below 10 ms, of
// backend_commit_duration_seconds below 25 ms), and when its answers count as slow (etcd-mixin, etcdGRPCRequestsSlow).
const (
	slowFsync   = 10 * time.Millisecond
	slowCommit  = 25 * time.Millisecond
	slowStorage = 150 * time.Millisecond
)

// slowDisk: etcd waits for its disk. Of an API server it is told when that waits for such an etcd.
func slowDisk(s *sight) model.Cause {
	c := model.Cause{
		Says:  "etcd waits for its disk",
		Helps: "a faster disk for etcd, or one that it shares with nobody",
	}
	if etcd := s.o.Beside["etcd"]; etcd != nil {
		return s.behindSlowDisk(etcd, c)
	}
	busy := false
	for i := range s.o.Pods {
		s.disk(&s.o.Pods[i], &c)
		used := s.cpu(&s.o.Pods[i])
		busy = busy || s.o.Pods[i].Throttled >= throttled || used.known && used.least > s.p.CPU.Above
	}
	switch {
	case c.Confidence == 0:
		return none
	case busy: // what waits for CPU measures that, too
		c.Confidence = maybe
	default:
		c.Memory = model.CannotHelp
	}
	c.Evidence = lines(append(c.Evidence, s.storageBeside()...))
	return c
}

// disk adds what a member of etcd says of its disk, if that is bad and was seen often enough.
func (s *sight) disk(pod *model.Pod, c *model.Cause) {
	r := fresh(pod, s.o.Now)
	if r == nil || r.Etcd == nil {
		return
	}
	fsync, commit := s.slow(r, &r.Etcd.Fsync, slowFsync), s.slow(r, &r.Etcd.Commit, slowCommit)
	if !fsync && !commit {
		return
	}
	if c.Confidence = max(c.Confidence, likely); fsync && commit {
		c.Confidence = sure
	}
	c.Evidence = append(c.Evidence, fmt.Sprintf("%s: p99 of fsync is %s (%.0f in a second; 10ms is good), of commits %s (%.0f in a second; 25ms is good)",
		pod.Name, ms(r.Etcd.Fsync.P99), r.Etcd.Fsync.Count, ms(r.Etcd.Commit.P99), r.Etcd.Commit.Count))
}

func (s *sight) slow(r *model.Reading, l *model.Latency, threshold time.Duration) bool {
	return times(r, l.Count) >= enough && s.over(float64(l.P99), float64(threshold))
}

// storageBeside is how slow the API servers find the etcd that is looked at.
func (s *sight) storageBeside() (all []string) {
	servers := s.o.Beside["kube-apiserver"]
	for i := range servers {
		if r := fresh(&servers[i], s.o.Now); r != nil && r.APIServer != nil && r.APIServer.Storage.Count > 0 {
			all = append(all, storageWords(&servers[i], &r.APIServer.Storage))
		}
	}
	return all
}

func storageWords(pod *model.Pod, l *model.Latency) string {
	return fmt.Sprintf("%s waits for etcd: p99 %s, mean %s (%.0f in a second)", pod.Name, ms(l.P99), ms(l.Mean), l.Count)
}

// behindSlowDisk is what etcd's disk does to an API server: nothing unless that is answered slowly.
func (s *sight) behindSlowDisk(etcd []model.Pod, c model.Cause) model.Cause {
	for i := range etcd {
		s.disk(&etcd[i], &c)
	}
	waits := false
	s.servers(func(pod *model.Pod, r *model.Reading) {
		if s.slow(r, &r.APIServer.Storage, slowStorage) {
			waits, c.Evidence = true, append(c.Evidence, storageWords(pod, &r.APIServer.Storage))
		}
	})
	if c.Confidence == 0 || !waits {
		return none
	}
	c.Confidence -= 10 // there are other reasons for slow answers
	c.Says, c.CPU, c.Memory = "it waits for etcd, which waits for its disk", model.CannotHelp, model.CannotHelp
	c.Evidence = lines(c.Evidence)
	return c
}
