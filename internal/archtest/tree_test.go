package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// tree is what the rules see of a repository: its hand-written Go files, in the order of their paths.
type tree []file

type file struct {
	path    string // below the repository's root, with slashes
	pkg     spot   // the package clause
	lines   int
	imports []spot // of import paths
	clock   []spot // of functions that read the clock or wait for it
	funcs   []function
}

// spot is a name and where it stands.
type spot struct {
	name string
	line int
}

type function struct {
	spot
	method bool
	lines  int // from func to the closing brace, both counted
}

func (f file) folder() string { return path.Dir(f.path) }
func (f file) test() bool     { return strings.HasSuffix(f.path, "_test.go") }

// production is the tree without its tests.
func (t tree) production() tree {
	return slices.DeleteFunc(slices.Clone(t), file.test)
}

// clockNames are what the package time offers beyond values and arithmetic.
var clockNames = []string{"Now", "Since", "Until", "Sleep", "After", "Tick", "NewTimer", "NewTicker", "AfterFunc"}

// parseTree reads all modules below root. It leaves out generated code, because nobody could follow advice about it.
func parseTree(root fs.FS) (tree, error) {
	var t tree
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "testdata", "vendor"}, d.Name()):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go" || strings.HasPrefix(d.Name(), "zz_"):
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		syntax, err := parser.ParseFile(fset, name, source, parser.ParseComments) // the mark of generated code is a comment
		if err != nil {
			return fmt.Errorf("parsing: %w", err)
		}
		if !ast.IsGenerated(syntax) {
			t = append(t, describe(fset, name, source, syntax))
		}
		return nil
	})
	return t, err
}

func describe(fset *token.FileSet, name string, source []byte, syntax *ast.File) file {
	line := func(p token.Pos) int { return fset.Position(p).Line }
	f := file{path: name, pkg: spot{syntax.Name.Name, line(syntax.Package)}, lines: bytes.Count(source, []byte("\n"))}
	for _, spec := range syntax.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value) // the parser has seen that it is a string
		f.imports = append(f.imports, spot{imported, line(spec.Pos())})
	}
	clock := clockIn(syntax)
	ast.Inspect(syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == clock && slices.Contains(clockNames, n.Sel.Name) {
				f.clock = append(f.clock, spot{"time." + n.Sel.Name, line(n.Pos())})
			}
		case *ast.FuncDecl:
			start := line(n.Pos())
			f.funcs = append(f.funcs, function{spot{n.Name.Name, start}, n.Recv != nil, line(n.End()) - start + 1})
		}
		return true
	})
	return f
}

// clockIn returns what the file calls the package time; empty if it does not import it.
func clockIn(syntax *ast.File) string {
	for _, spec := range syntax.Imports {
		if spec.Path.Value != `"time"` {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return "time"
	}
	return ""
}
