package source

import (
	"strings"
	"unicode"
)

// most is how long a quotation may be: faults are kept in statuses.
const most = 300

// Quote makes one short line of what a server said, for a fault: it may be a page of HTML, or hold what no status can.
func Quote(said string) string {
	line := strings.Map(printable, strings.Join(strings.Fields(said), " "))
	if runes := []rune(line); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return line
}

func printable(r rune) rune {
	if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
		return '?'
	}
	return r
}
