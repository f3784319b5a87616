package profile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/recommender/model"
)

// checkpoint is what is known of the object that keeps a history.
type checkpoint struct {
	version string    // resource version; empty if there is none
	samples int64     // that it rests on
	saved   time.Time // zero if it was not
	trouble fault     // why it cannot be written, or what was wrong with it
	locked  bool      // it must not be written over
}

// page is how many checkpoints are read at once: of one tenant each has some KiB.
const page = 200

// restore reads the checkpoints of all profiles. Nothing is recommended before: a history that begins anew would take the place of one that is longer.
func (r *Recommender) restore(ctx context.Context) error {
	next := ""
	for {
		var list v1alpha1.WorkloadProfileCheckpointList
		if err := r.Live.List(ctx, &list, client.Limit(page), client.Continue(next)); err != nil {
			return fmt.Errorf("reading checkpoints: %w", err)
		}
		for i := range list.Items {
			if uid := profileOf(&list.Items[i]); uid != "" {
				r.histories[uid] = r.restored(ctx, &list.Items[i])
			}
		}
		if next = list.Continue; next == "" {
			return nil
		}
	}
}

// profileOf is the profile that a checkpoint belongs to; empty if it belongs to none, and then it is somebody else's.
func profileOf(c *v1alpha1.WorkloadProfileCheckpoint) types.UID {
	for _, o := range c.OwnerReferences {
		if o.Kind == "WorkloadProfile" && o.Name == c.Name && strings.HasPrefix(o.APIVersion, v1alpha1.GroupVersion.Group+"/") {
			return o.UID
		}
	}
	return ""
}

// restored is the history that a checkpoint holds. What cannot be read of it is put aside before anything is written over it.
func (r *Recommender) restored(ctx context.Context, c *v1alpha1.WorkloadProfileCheckpoint) *history {
	h := newHistory()
	h.checkpoint = checkpoint{version: c.ResourceVersion, samples: c.Spec.Samples, saved: c.Spec.Saved.Time}
	var broken error
	for _, saved := range c.Spec.Containers {
		container, err := model.Restore(saved.State)
		if err != nil {
			broken = errors.Join(broken, fmt.Errorf("container %s: %w", saved.Name, err))
			continue
		}
		h.containers[saved.Name] = container
		h.last = later(h.last, time.Unix(max(container.Usage(model.CPU).End(), container.Usage(model.Memory).End()), 0))
	}
	if broken != nil {
		h.checkpoint.damaged(broken, r.putAside(ctx, c))
	}
	return h
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// damaged says what is wrong, and whether the checkpoint may be written over.
func (c *checkpoint) damaged(broken error, aside string) {
	switch {
	case errors.Is(broken, model.ErrNewer):
		c.locked = true
		c.trouble = fault{"NewerCheckpoint", fmt.Sprintf("%v: run that version, or delete the WorkloadProfileCheckpoint to begin anew", broken)}
	case aside == "":
		c.locked = true
		c.trouble = fault{"DamagedCheckpoint", fmt.Sprintf("%v; it could not be put aside, and is not written over: delete the WorkloadProfileCheckpoint to go on", broken)}
	default:
		c.samples = 0
		c.trouble = fault{"DamagedCheckpoint", fmt.Sprintf("%v; it was put aside as %s, and the history of that container began anew", broken, aside)}
	}
}

// putAside copies a checkpoint that cannot be read, and gives the copy's name; empty if that failed.
func (r *Recommender) putAside(ctx context.Context, c *v1alpha1.WorkloadProfileCheckpoint) string {
	copied := &v1alpha1.WorkloadProfileCheckpoint{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s.damaged-%s", c.Name, c.ResourceVersion), Namespace: c.Namespace, Labels: c.Labels,
			OwnerReferences: c.OwnerReferences,
		},
		Spec: c.Spec,
	}
	if err := r.Client.Create(ctx, copied, client.FieldOwner(Owner)); err != nil && !apierrors.IsAlreadyExists(err) {
		return ""
	}
	return copied.Name
}

// save keeps the history if it says more than what is kept already.
func (r *Recommender) save(ctx context.Context, p *v1alpha1.WorkloadProfile, h *history) {
	now := r.Clock.Now()
	c := &h.checkpoint
	if c.locked || h.samples() == 0 && h.kills == 0 {
		return
	}
	if h.samples() < c.samples {
		c.trouble = fault{"LessHistory", fmt.Sprintf("the WorkloadProfileCheckpoint rests on %d samples, and %d are known here: it is not written over; delete it if it is wrong", c.samples, h.samples())}
		return
	}
	o := checkpointOf(p, h, now)
	err := r.put(ctx, o, c.version)
	saves.WithLabelValues(resultOf(err)).Inc()
	switch {
	case err == nil:
		c.version, c.samples, c.saved, h.kills = o.ResourceVersion, o.Spec.Samples, now, 0
		if c.trouble.reason != "DamagedCheckpoint" { // which is told as long as this program runs
			c.trouble = fault{}
		}
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err):
		c.trouble = r.reread(ctx, p, h, err)
	default:
		c.trouble = fault{"NotSaved", fmt.Sprintf("the history could not be saved: %v", err)}
	}
}

func resultOf(err error) string {
	if err != nil {
		return "failed"
	}
	return "saved"
}

func (r *Recommender) put(ctx context.Context, o *v1alpha1.WorkloadProfileCheckpoint, version string) error {
	if version == "" {
		return r.Client.Create(ctx, o, client.FieldOwner(Owner))
	}
	o.ResourceVersion = version
	return r.Client.Update(ctx, o, client.FieldOwner(Owner))
}

// reread finds out what is there in the place of the checkpoint that was expected.
func (r *Recommender) reread(ctx context.Context, p *v1alpha1.WorkloadProfile, h *history, refused error) fault {
	c := &h.checkpoint
	var there v1alpha1.WorkloadProfileCheckpoint
	err := r.Live.Get(ctx, client.ObjectKeyFromObject(p), &there)
	switch {
	case apierrors.IsNotFound(err): // somebody has deleted it, so that a new one is made
		c.version, c.samples = "", 0
		return fault{"NotSaved", fmt.Sprintf("the history could not be saved: %v", refused)}
	case err != nil:
		return fault{"NotSaved", fmt.Sprintf("the history could not be saved: %v", err)}
	case profileOf(&there) != p.UID:
		return fault{"ForeignCheckpoint", fmt.Sprintf("WorkloadProfileCheckpoint %s is not this profile's: delete it, or give it another name", p.Name)}
	}
	if err := h.heed(&there); errors.Is(err, model.ErrNewer) {
		c.damaged(err, "")
		return c.trouble
	}
	c.version, c.samples = there.ResourceVersion, there.Spec.Samples
	return fault{"NotSaved", "somebody else has written the checkpoint"}
}

// heed takes over the kills that somebody else has learned from, who led for a moment, too. The error is of what cannot be read.
func (h *history) heed(theirs *v1alpha1.WorkloadProfileCheckpoint) error {
	var broken error
	for _, saved := range theirs.Spec.Containers {
		c, err := model.Restore(saved.State)
		if err != nil {
			broken = errors.Join(broken, fmt.Errorf("container %s: %w", saved.Name, err))
			continue
		}
		h.container(saved.Name).Heed(c.Floor())
	}
	return broken
}

func checkpointOf(p *v1alpha1.WorkloadProfile, h *history, now time.Time) *v1alpha1.WorkloadProfileCheckpoint {
	o := &v1alpha1.WorkloadProfileCheckpoint{
		ObjectMeta: metav1.ObjectMeta{
			Name: p.Name, Namespace: p.Namespace, Labels: map[string]string{managedBy: Owner},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "WorkloadProfile", Name: p.Name, UID: p.UID}},
		},
		Spec: v1alpha1.WorkloadProfileCheckpointSpec{Saved: metav1.NewTime(now), Samples: h.samples()},
	}
	for _, name := range h.names() {
		o.Spec.Containers = append(o.Spec.Containers, v1alpha1.ContainerCheckpoint{Name: name, State: h.containers[name].Save()})
	}
	return o
}
