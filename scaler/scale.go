package scaler

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

// oldScale is how long a scale counts that nobody has told anew: clusters grow slowly.
const oldScale = 24 * time.Hour

// scaleOf a tenant's cluster, by what its programs say now, or else by what they said last. What differs little from that is left as it was, so that
// neither decisions nor the status move with every pod.
func scaleOf(before *v1alpha1.ClusterScale, views []view, now time.Time) model.Scale {
	s, known := saidScale(views)
	was := scaleIn(before)
	switch {
	case known && (before == nil || differs(&s, &was) || now.Sub(was.At) > oldScale/2):
		s.At = now
		return s
	case before == nil:
		return model.Scale{Unknown: "its API servers have not told yet what they store"}
	case now.Sub(was.At) > oldScale:
		return model.Scale{Unknown: "its API servers have not told for a day what they store"}
	}
	return was
}

// saidScale adds up what API servers and etcd members say: each of them stores all, and answers a part.
func saidScale(views []view) (s model.Scale, known bool) {
	for i := range views {
		for j := range views[i].observed.Pods {
			said := &views[i].observed.Pods[j].Reading
			if said.Etcd != nil {
				s.Bytes = max(s.Bytes, said.Etcd.Used)
			}
			if said.APIServer == nil || len(said.APIServer.Objects) == 0 {
				continue
			}
			known = true
			s.Requests += int64(said.APIServer.Requests)
			s.Nodes, s.Pods = max(s.Nodes, said.APIServer.Objects["nodes"]), max(s.Pods, said.APIServer.Objects["pods"])
			s.Objects = max(s.Objects, sum(said.APIServer.Objects))
		}
	}
	return s, known
}

func sum(of map[string]int64) (all int64) {
	for _, n := range of {
		all += n
	}
	return all
}

// differs by more than a fifth in anything that is not small.
func differs(a, b *model.Scale) bool {
	for _, pair := range [...][3]int64{
		{a.Nodes, b.Nodes, 2}, {a.Pods, b.Pods, 20}, {a.Objects, b.Objects, 500}, {a.Bytes, b.Bytes, 16 << 20}, {a.Requests, b.Requests, 20},
	} {
		if gap := max(pair[0], pair[1]) - min(pair[0], pair[1]); gap > pair[2] && gap*5 > max(pair[0], pair[1]) {
			return true
		}
	}
	return false
}

func scaleIn(c *v1alpha1.ClusterScale) model.Scale {
	if c == nil {
		return model.Scale{}
	}
	return model.Scale{At: c.At.Time, Nodes: c.Nodes, Pods: c.Pods, Objects: c.Objects, Bytes: c.Bytes.Value(), Requests: c.Requests}
}

// tellScale as the status has it; one that is not known now leaves what was.
func tellScale(before *v1alpha1.ClusterScale, s *model.Scale) *v1alpha1.ClusterScale {
	if s.Unknown != "" || s.At.IsZero() {
		return before
	}
	return &v1alpha1.ClusterScale{
		At: metav1.NewTime(s.At.Truncate(time.Second)), Nodes: s.Nodes, Pods: s.Pods, Objects: s.Objects,
		Bytes: *resource.NewQuantity(s.Bytes, resource.BinarySI), Requests: s.Requests,
	}
}
