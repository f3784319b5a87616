package source

import (
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	for said, want := range map[string]string{
		"":                           "",
		"not found":                  "not found",
		"<html>\n\t<title> Sign  in": "<html> <title> Sign in",
		"a bell \x07":                "a bell ?",
		"half a \xc3":                "half a ?",
		strings.Repeat("ä", 301):     strings.Repeat("ä", 300) + "...",
	} {
		if got := Quote(said); got != want {
			t.Errorf("%q is quoted as %q, want %q", said, got, want)
		}
	}
}
