package main

import (
	"time"

	vpalogic "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/logic"
	vpamodel "k8s.io/autoscaler/vertical-pod-autoscaler/pkg/recommender/model"

	"github.com/metapilot/metapilot/recommender/model"
)

// vpa drives VPA's own packages with its defaults, but for the floors of a pod.
type vpa struct {
	total *vpamodel.AggregateContainerState
	pods  map[string]*vpamodel.ContainerState
	logic vpalogic.PodResourceRecommender
}

func newVPA() *vpa { return newVPAAt(0.9) }

// newVPAAt recommends another percentile of CPU than VPA's default of 0.9.
func newVPAAt(percentile float64) *vpa {
	day := 24 * time.Hour
	return &vpa{
		total: vpamodel.NewAggregateContainerState(), pods: map[string]*vpamodel.ContainerState{},
		logic: vpalogic.CreatePodResourceRecommender(vpalogic.RecommendationConfig{
			SafetyMarginFraction: 0.15, TargetCPUPercentile: percentile, LowerBoundCPUPercentile: 0.5, UpperBoundCPUPercentile: 0.95, ConfidenceIntervalCPU: day,
			TargetMemoryPercentile: 0.9, LowerBoundMemoryPercentile: 0.5, UpperBoundMemoryPercentile: 0.95, ConfidenceIntervalMemory: day,
		}),
	}
}

var vpaNames = [model.Resources]vpamodel.ResourceName{vpamodel.ResourceCPU, vpamodel.ResourceMemory}

func (v *vpa) pod(name string) *vpamodel.ContainerState {
	if v.pods[name] == nil {
		v.pods[name] = vpamodel.NewContainerState(nil, v.total)
	}
	return v.pods[name]
}

func (v *vpa) see(replica string, r model.Resource, p point) float64 {
	v.pod(replica).AddSample(&vpamodel.ContainerUsageSample{MeasureStart: p.at, Usage: vpamodel.ResourceAmount(p.amount), Resource: vpaNames[r]})
	return v.recommended(r).Target
}

func (v *vpa) killed(replica string, at time.Time, limit float64) float64 {
	_ = v.pod(replica).RecordOOM(at, vpamodel.ResourceAmount(limit)) // VPA takes no kill that it thinks old, and then its target stays
	return v.recommended(model.Memory).Target
}

// amounts are VPA's recommendation for one resource.
type amounts struct{ Target, Lower, Upper float64 }

func (v *vpa) recommended(r model.Resource) amounts {
	got := v.logic.GetRecommendedPodResources(vpamodel.ContainerNameToAggregateStateMap{"c": v.total})["c"]
	return amounts{float64(got.Target[vpaNames[r]]), float64(got.LowerBound[vpaNames[r]]), float64(got.UpperBound[vpaNames[r]])}
}
