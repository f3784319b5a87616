// Package wholefile writes files that are there whole or not at all, whatever is killed when. What a killed write leaves lies beside its
// file, never in a folder of the machine.
package wholefile

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Write writes the file, and the folders above it if they are missing.
func Write(path string, raw []byte, mode os.FileMode) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := renameio.WriteFile(path, raw, mode, renameio.WithTempDir(folder)); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
