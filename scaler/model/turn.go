package model

import "time"

// Turn is whether a component's step down may be made now, as far as the whole fleet is concerned. The zero value is not known, and holds it.
type Turn struct {
	Open  bool
	Says  string    // why it has to wait
	Until time.Time // when it comes at the earliest; zero if that is not known
}
