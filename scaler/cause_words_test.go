package scaler

import (
	"fmt"
	"testing"

	"github.com/metapilot/metapilot/api/v1alpha1"
	"github.com/metapilot/metapilot/scaler/model"
)

func found(of string, confidence int64, says string) model.Cause {
	return model.Cause{Type: of, Confidence: confidence, Says: says, Helps: "a person", Evidence: []string{"1"}}
}

func inStatus(of string, confidence int32, says string) v1alpha1.Cause {
	return v1alpha1.Cause{Type: of, ConfidencePercent: confidence, Says: says, Helps: "a person"}
}

// The status is written when a cause comes, goes, says something else or is clearly surer, and for nothing less.
func TestStatusOfCausesStandsStill(t *testing.T) {
	before := []v1alpha1.Cause{inStatus("A", 90, "a"), inStatus("B", 70, "b")}
	for name, tc := range map[string]struct {
		found []model.Cause
		want  []v1alpha1.Cause
	}{
		"the same":              {[]model.Cause{found("A", 90, "a"), found("B", 70, "b")}, before},
		"another order":         {[]model.Cause{found("B", 88, "b"), found("A", 85, "a")}, before},
		"clearly surer":         {[]model.Cause{found("A", 90, "a"), found("B", 90, "b")}, []v1alpha1.Cause{inStatus("A", 90, "a"), inStatus("B", 90, "b")}},
		"says something else":   {[]model.Cause{found("A", 90, "a"), found("B", 70, "c")}, []v1alpha1.Cause{inStatus("A", 90, "a"), inStatus("B", 70, "c")}},
		"one has gone":          {[]model.Cause{found("A", 90, "a")}, before[:1]},
		"all have gone":         {nil, nil},
		"no more than it takes": {[]model.Cause{found("A", 90, "a"), found("B", 80, "b"), found("C", 80, "c"), found("D", 80, "d"), found("E", 80, "e")}, []v1alpha1.Cause{inStatus("A", 90, "a"), inStatus("B", 80, "b"), inStatus("C", 80, "c"), inStatus("D", 80, "d")}},
	} {
		t.Run(name, func(t *testing.T) {
			v := view{before: v1alpha1.ScaledComponent{Causes: before}, plan: model.Plan{Causes: tc.found}}
			if got := v.saysCauses(); fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("the status says\n%v, want\n%v", got, tc.want)
			}
			if len(tc.found) > 0 && tc.found[0].Evidence == nil {
				t.Error("the plan has lost its evidence")
			}
		})
	}
}

// Components of a target see each other's pods, and not their own.
func TestComponentsSeeEachOther(t *testing.T) {
	views := make([]view, 2)
	for i, name := range []string{"etcd", "kube-apiserver"} {
		views[i].component = &component{name: name}
		views[i].observed.Pods = []model.Pod{{Name: name + "-0"}}
	}
	beside(views)
	if got := fmt.Sprint(views[0].observed.Beside["kube-apiserver"][0].Name, " ", views[1].observed.Beside["etcd"][0].Name, " ", len(views[0].observed.Beside)); got != "kube-apiserver-0 etcd-0 1" {
		t.Errorf("they see %s", got)
	}
}
