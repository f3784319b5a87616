package profile

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/recommender/source/oom"
)

// recall asks for evictions that nobody watched: the pod of a StatefulSet is replaced at once, and its event tells of it for an hour.
func (r *Recommender) recall(ctx context.Context, profiles []*v1alpha1.WorkloadProfile) {
	if r.recalled >= tries {
		return
	}
	r.recalled++
	told, err := r.evictions(ctx)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Evictions while this program was away are not known", "try", r.recalled, "of", tries)
		return
	}
	r.recalled, r.evicted = tries, map[types.UID][]oom.Kill{}
	for _, p := range profiles {
		for _, k := range told[p.Namespace] {
			if madeFor(p.Spec.TargetRef, k.Replica) {
				r.evicted[p.UID] = append(r.evicted[p.UID], k)
			}
		}
	}
}

// evictions are the kills that events of the last hour tell of, by namespace.
func (r *Recommender) evictions(ctx context.Context) (map[string][]oom.Kill, error) {
	all := map[string][]oom.Kill{}
	only := client.MatchingFieldsSelector{Selector: fields.Set{"reason": evicted, "involvedObject.kind": "Pod"}.AsSelector()}
	for next := ""; ; {
		var list corev1.EventList
		bounded, cancel := context.WithTimeout(ctx, brief)
		err := r.Live.List(bounded, &list, only, client.Limit(page), client.Continue(next))
		cancel()
		if err != nil {
			return nil, fmt.Errorf("reading events of evictions: %w", err)
		}
		for i := range list.Items {
			for _, k := range oom.OfEvent(&list.Items[i]) {
				all[k.Namespace] = append(all[k.Namespace], k)
			}
		}
		if next = list.Continue; next == "" {
			return all, nil
		}
	}
}
