// Package logtail reads the end of a log: the part that belongs into an error message.
package logtail

import (
	"errors"
	"io"
	"os"
	"strings"
)

const (
	lines = 12
	bytes = 8 << 10
)

// Last returns the last lines of the file, indented; or why it could not be read.
func Last(path string) string {
	raw, err := end(path)
	if err != nil {
		return "  (not readable: " + err.Error() + ")"
	}
	all := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	return "  " + strings.Join(all[max(0, len(all)-lines):], "\n  ")
}

func end(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	raw := make([]byte, bytes)
	n, err := f.ReadAt(raw, max(0, info.Size()-bytes))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return raw[:n], err
}
