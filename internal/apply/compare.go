package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// includes tells whether all that is wanted is there: of maps the wanted keys, of lists every element in its place.
func includes(have, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := have.(map[string]any)
		return ok && includesAll(have, want)
	case []any:
		have, ok := have.([]any)
		if !ok || len(have) != len(want) {
			return false
		}
		for i := range want {
			if !includes(have[i], want[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(have, want)
}

// includesAll leaves out the kind: objects from a cache have none.
func includesAll(have, want map[string]any) bool {
	for key, value := range want {
		if key == "apiVersion" || key == "kind" {
			continue
		}
		if !includes(have[key], value) {
			return false
		}
	}
	return true
}

// overlay returns what is there with what is wanted in its place: of maps key by key, of lists of the same length element by element, so that
// what the API server has filled in stays.
func overlay(have, want any) any {
	switch want := want.(type) {
	case map[string]any:
		whole, _ := have.(map[string]any)
		whole = maps.Clone(whole)
		if whole == nil {
			whole = map[string]any{}
		}
		for key, value := range want {
			whole[key] = overlay(whole[key], value)
		}
		return whole
	case []any:
		whole := slices.Clone(want)
		if have, ok := have.([]any); ok && len(have) == len(want) {
			for i := range whole {
				whole[i] = overlay(have[i], want[i])
			}
		}
		return whole
	}
	return want
}

// prune removes what typed objects say without meaning it: null, and empty objects that come of unset structs.
func prune(m map[string]any) {
	for key, value := range m {
		switch value := value.(type) {
		case nil:
			delete(m, key)
		case map[string]any:
			prune(value)
			if len(value) == 0 && key != "emptyDir" {
				delete(m, key)
			}
		case []any:
			for _, element := range value {
				if element, ok := element.(map[string]any); ok {
					prune(element)
				}
			}
		}
	}
}

func digest(content map[string]any) (string, error) {
	raw, err := json.Marshal(content) // maps are encoded in the order of their keys
	if err != nil {
		return "", fmt.Errorf("encoding an object: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8]), nil
}
