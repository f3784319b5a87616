package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/metapilot/metapilot/api/v1alpha1"
)

// Renderer writes a report. Charts are for those that draw.
type Renderer func(io.Writer, *v1alpha1.FleetReport, []Chart) error

// Renderers by the name of their output. To add one, write it and add its line.
var Renderers = map[string]Renderer{"table": Table, "json": JSON, "markdown": Markdown, "html": HTML}

// Table is for a terminal.
func Table(out io.Writer, r *v1alpha1.FleetReport, _ []Chart) error {
	d := documentOf(r)
	fmt.Fprintf(out, "%s\n\n", plain(d.Title))
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, f := range d.Facts {
		fmt.Fprintf(w, "%s\t%s\n", f.Name, plain(f.Says))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range d.Tables {
		writeTable(out, &d.Tables[i])
	}
	if len(d.Notes) > 0 {
		fmt.Fprintln(out, "\nNot known")
	}
	for _, n := range d.Notes {
		fmt.Fprintf(out, "  %s\n", plain(n))
	}
	return nil
}

func writeTable(out io.Writer, t *table) {
	fmt.Fprintf(out, "\n%s\n", plain(t.Title))
	if len(t.Rows) == 0 {
		fmt.Fprintf(out, "  %s\n", t.Empty)
	} else {
		writeRows(out, t)
	}
	if t.More != "" {
		fmt.Fprintf(out, "  %s\n", t.More)
	}
}

// writeRows sets numbers to the right, which a tabwriter cannot do for some columns only.
func writeRows(out io.Writer, t *table) {
	rows := append([][]string{t.Head}, t.Rows...)
	width := make([]int, len(t.Head))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(plain(cell))))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			text := plain(cell)
			pad := strings.Repeat(" ", width[i]-len([]rune(text)))
			if t.Numbers[i] {
				text = pad + text
			} else {
				text += pad
			}
			b.WriteString("  " + text)
		}
		fmt.Fprintln(out, strings.TrimRight(b.String(), " "))
	}
}

// plain keeps what objects say from steering a terminal, and on one line.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

// JSON is the report as an object of kind FleetReport.
func JSON(out io.Writer, r *v1alpha1.FleetReport, _ []Chart) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Markdown is for issues and wikis.
func Markdown(out io.Writer, r *v1alpha1.FleetReport, _ []Chart) error {
	d := documentOf(r)
	fmt.Fprintf(out, "# %s\n\n", escaped(d.Title))
	for _, f := range d.Facts {
		fmt.Fprintf(out, "- **%s**: %s\n", f.Name, escaped(f.Says))
	}
	for i := range d.Tables {
		markTable(out, &d.Tables[i])
	}
	if len(d.Notes) > 0 {
		fmt.Fprint(out, "\n## Not known\n\n")
	}
	for _, n := range d.Notes {
		fmt.Fprintf(out, "- %s\n", escaped(n))
	}
	return nil
}

func markTable(out io.Writer, t *table) {
	fmt.Fprintf(out, "\n## %s\n\n", escaped(t.Title))
	if len(t.Rows) == 0 {
		fmt.Fprintln(out, t.Empty)
	} else {
		rule := make([]string, len(t.Head))
		for i := range rule {
			rule[i] = "---"
			if t.Numbers[i] {
				rule[i] = "---:"
			}
		}
		markRow(out, t.Head)
		fmt.Fprintf(out, "| %s |\n", strings.Join(rule, " | "))
		for _, row := range t.Rows {
			markRow(out, row)
		}
	}
	if t.More != "" {
		fmt.Fprintf(out, "\n%s\n", t.More)
	}
}

func markRow(out io.Writer, cells []string) {
	for _, cell := range cells {
		fmt.Fprintf(out, "| %s ", escaped(cell))
	}
	fmt.Fprintln(out, "|")
}

// marks are what Markdown and the HTML in it would read as more than text.
var marks = strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "#", `\#`)

func escaped(text string) string { return marks.Replace(plain(text)) }
