package scaler

import (
	"reflect"
	"sync"
	"unique"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// shared keeps one copy of what very many objects of the cache say in the same words: amounts, reasons, names. Ten thousand tenants differ in little
// else than their names. Whoever reads from the cache changes nothing of it.
type shared struct {
	mu      sync.Mutex
	amounts map[resource.Quantity]*resource.Quantity
	lists   map[[2]resource.Quantity]corev1.ResourceList
}

func newShared() *shared {
	return &shared{amounts: map[resource.Quantity]*resource.Quantity{}, lists: map[[2]resource.Quantity]corev1.ResourceList{}}
}

// mostShared are the amounts that are remembered; then it begins anew, so that those which nobody has any longer are forgotten.
const mostShared = 20_000

// text is the one copy of a string.
func text(s string) string { return unique.Make(s).Value() }

func (s *shared) amount(q *resource.Quantity) *resource.Quantity {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.amounts[*q]; known != nil {
		return known
	}
	if len(s.amounts) >= mostShared {
		clear(s.amounts)
	}
	s.amounts[*q] = q
	return q
}

// list of resources; one that has others than CPU and memory stays as it is.
func (s *shared) list(l corev1.ResourceList) corev1.ResourceList {
	cpu, hasCPU := l[corev1.ResourceCPU]
	memory, hasMemory := l[corev1.ResourceMemory]
	named := 0
	for _, has := range [...]bool{hasCPU, hasMemory} {
		if has {
			named++
		}
	}
	if len(l) != named || named == 0 {
		return l
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]resource.Quantity{cpu, memory} // an amount that is not there has no format, and one of zero has
	if known := s.lists[key]; known != nil {
		return known
	}
	if len(s.lists) >= mostShared {
		clear(s.lists)
	}
	s.lists[key] = l
	return l
}

func (s *shared) requirements(r *corev1.ResourceRequirements) {
	r.Requests, r.Limits, r.Claims = s.list(r.Requests), s.list(r.Limits), nil
}

// meta of an object: what is its own alone stays.
func (s *shared) meta(m *metav1.ObjectMeta) {
	m.Namespace, m.Labels = text(m.Namespace), texts(m.Labels)
}

func texts(of map[string]string) map[string]string {
	if len(of) == 0 {
		return nil
	}
	same := make(map[string]string, len(of))
	for k, v := range of {
		same[text(k)] = text(v)
	}
	return same
}

// all goes through a value of one of our kinds, as it was read from JSON: strings and amounts become those that others have, too, and lists lose
// the room that they have for more.
func (s *shared) all(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text(v.String()))
	case reflect.Pointer:
		s.pointer(v)
	case reflect.Slice:
		s.slice(v)
	case reflect.Struct:
		switch v.Addr().Interface().(type) {
		case *metav1.ObjectMeta, *resource.Quantity, *metav1.Time, *metav1.MicroTime:
			return
		}
		for i := range v.NumField() {
			s.all(v.Field(i))
		}
	default: // numbers and bools have nothing to share, and our kinds have no maps but those of the metadata
	}
}

func (s *shared) pointer(v reflect.Value) {
	switch of := v.Interface().(type) {
	case *resource.Quantity:
		if of != nil {
			v.Set(reflect.ValueOf(s.amount(of)))
		}
	default:
		if !v.IsNil() {
			s.all(v.Elem())
		}
	}
}

func (s *shared) slice(v reflect.Value) {
	if v.Cap() > v.Len() {
		tight := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(tight, v)
		v.Set(tight)
	}
	for i := range v.Len() {
		s.all(v.Index(i))
	}
}
