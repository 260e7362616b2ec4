package playbooks

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed reference.md
var reference string

// Reference is the manual of the language, as Markdown.
func Reference() string { return reference }

// LibraryTable is the library as a Markdown table, as it stands in the manual.
func LibraryTable() string {
	var b strings.Builder
	b.WriteString("| function | | example | answers |\n|---|---|---|---|\n")
	cell := strings.NewReplacer("|", `\|`, "\n", " ").Replace
	for _, fn := range Library() {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | `%s` |\n", cell(fn.Signature), cell(fn.Doc), cell(fn.Example), cell(fn.Result))
	}
	return b.String()
}
