package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/e2e/load"
	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
)

// What the storm makes of the tenant: 50 MB that every client lists again and again.
const (
	objects = 1000
	size    = 50_000 // bytes
	clients = 8
	calm    = 20 * time.Second // without a kill, and the storm is survived
	longest = 4 * time.Minute
)

// outage is a time in which the tenant did not answer.
type outage struct{ from, to time.Time }

// storm lists everything through the tenant's API until what dies of it has grown enough. A tenant that has been through one is left in peace.
func (d *demonstration) storm(ctx context.Context) (string, error) {
	if before, err := d.records(ctx); err != nil || slices.ContainsFunc(before, ofKill) {
		return "it went through one before", err
	}
	config, err := clientcmd.BuildConfigFromFlags("", d.kubeconfig)
	if err != nil {
		return "", err
	}
	stormy, over := context.WithTimeout(ctx, longest)
	defer over()
	probed := make(chan []outage, 1)
	go func() { probed <- probe(stormy, config) }()
	if err := load.Fill(ctx, config, load.Etcd, objects, size); err != nil {
		return "", err
	}
	told, err := load.Storm(stormy, config, load.Etcd, clients)
	if err != nil {
		return "", err
	}
	decisions, err := d.endure(stormy, told)
	over()
	d.outages = <-probed
	return fmt.Sprintf("%d decisions", decisions), err
}

// ofKill: an OOM kill called for the decision.
func ofKill(r v1alpha1.ScalingRecord) bool { return r.Spec.Source == "oom" }

// endure says each decision when it is made, and returns when something was killed and nothing has been for a while.
func (d *demonstration) endure(ctx context.Context, told *load.Told) (said int, err error) {
	last, killed := time.Now(), false
	for ctx.Err() == nil {
		all, err := d.records(ctx)
		if err != nil && ctx.Err() == nil {
			return said, err
		}
		for ; said < len(all); said++ {
			last, killed = time.Now(), killed || ofKill(all[said])
			d.r.Say("  %s: %s", all[said].Spec.Component, all[said].Spec.Reason)
		}
		if killed && time.Since(last) > calm && told.Answered.Load() > 0 {
			return said, nil
		}
		pause(ctx, time.Second)
	}
	return said, fmt.Errorf("after %s the storm is not survived, or has killed nothing; see bin/metapilot -n %s explain %s", longest, fleet, tenant)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// probe asks all the time, and returns when nobody answered.
func probe(ctx context.Context, config *rest.Config) (all []outage) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil
	}
	good := true
	for ctx.Err() == nil {
		asked, cancel := context.WithTimeout(ctx, 3*time.Second)
		begun := time.Now()
		_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(asked)
		cancel()
		switch {
		case ctx.Err() != nil:
		case err != nil && good:
			all, good = append(all, outage{from: begun}), false
		case err == nil && !good:
			all[len(all)-1].to, good = time.Now(), true
		}
		pause(ctx, 100*time.Millisecond)
	}
	return all
}

// records of the tenant, oldest first.
func (d *demonstration) records(ctx context.Context) ([]v1alpha1.ScalingRecord, error) {
	out, err := d.kubectl(ctx, "--namespace", fleet, "get", "scalingrecords", "-o", "json")
	if err != nil {
		return nil, err
	}
	var list v1alpha1.ScalingRecordList
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, fmt.Errorf("reading ScalingRecords: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.ScalingRecord) int { return a.Spec.DecidedAt.Compare(b.Spec.DecidedAt.Time) })
	return list.Items, nil
}

// shrink waits until something is found that could be smaller. Nothing is made so: spec.mode.down is DryRun if nobody says otherwise.
func (d *demonstration) shrink(ctx context.Context) (said string, err error) {
	err = cluster.Poll(ctx, func(ctx context.Context) (bool, string) {
		all, err := d.records(ctx)
		for _, r := range all {
			if r.Spec.Decision == v1alpha1.DecisionDown && r.Spec.DryRun {
				said = r.Spec.Component + " " + r.Spec.Reason
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d decisions, none to shrink; %v", len(all), err)
	})
	return said, err
}

// moment is a line of the timeline.
type moment struct {
	at        time.Time
	who, what string
}

// timeline tells the story from the records, and from what a client saw.
func (d *demonstration) timeline(ctx context.Context) error {
	all, err := d.records(ctx)
	if err != nil {
		return err
	}
	var moments []moment
	for i := range all {
		moments = append(moments, momentsOf(&all[i])...)
	}
	for _, o := range d.outages {
		moments = append(moments, moment{o.from, "a client", "gets no answer"})
		if !o.to.IsZero() {
			moments = append(moments, moment{o.to, "a client", fmt.Sprintf("is served again, after %.1f s", o.to.Sub(o.from).Seconds())})
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return a.at.Compare(b.at) })
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tWHO\tWHAT")
	for _, m := range moments {
		fmt.Fprintf(w, "%s\t%s\t%s\n", m.at.Format("15:04:05.0"), m.who, m.what)
	}
	w.Flush()
	d.r.Say("\nThe storm, from the ScalingRecords (kills are known to the second):\n%s", b.String())
	return nil
}

func momentsOf(r *v1alpha1.ScalingRecord) []moment {
	var all []moment
	who := r.Spec.Component
	for _, e := range r.Spec.Evidence {
		if e.Source == "oom" && e.At != nil && r.Spec.SignalAt != nil && e.At.Time.Equal(r.Spec.SignalAt.Time) {
			all = append(all, moment{e.At.Time, who, e.Pod + " was OOM-" + e.Says})
		}
	}
	decided := "decided: "
	if r.Spec.DryRun {
		decided = "would be decided, if this were no dry run: "
	}
	all = append(all, moment{r.Spec.DecidedAt.Time, who, decided + r.Spec.Reason})
	if at := r.Status.AppliedAt; at != nil {
		all = append(all, moment{at.Time, who, "stored where pods get it"})
	}
	if at := r.Status.EffectiveAt; at != nil {
		all = append(all, moment{at.Time, who, "its containers run with it"})
	}
	return all
}
