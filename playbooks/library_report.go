package playbooks

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // a zone means the same on every machine
	"unicode"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
)

// reportFunctions make what people read in mails, comments and approvals.
func reportFunctions() map[string]function {
	text := StringType()
	return map[string]function{
		"format": {
			params: []Type{TimeType(), text}, min: 1, result: text,
			doc:     "A time as people write it, in a zone of the IANA database; without one in UTC.",
			example: `format(incident.created_at, "Europe/Berlin")`, eval: evalFormat, check: checked(zoneOf), checkAt: 1,
		},
		"table": {
			min: 2, max: 2, sign: "([T], [field]) string",
			doc: "A text table (Markdown) with a row for each item and a column for each field, which may be of a field: \"file.name\". " +
				"What is absent is –; lists of scalars are joined; text is put on one line and cut after 80 characters.",
			example: `table(evidence.files, ["name", "label"])`, infer: inferTable, lower: lowerTable,
		},
	}
}

// zoneOf finds a zone by its IANA name. What depends on the machine is none.
func zoneOf(name string) (*time.Location, error) {
	if name != "" && name != "Local" && len(name) < 64 {
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, nil
		}
	}
	return nil, fmt.Errorf("%q is no time zone: write it as Europe/Berlin or UTC", shorten(name))
}

// zoneCost is what looking up a zone costs, in steps of work.
const zoneCost = 2000

func evalFormat(b *budget, args []any) (any, error) {
	at, ok := args[0].(time.Time)
	if !ok {
		return nil, fmt.Errorf("format needs a time, not %s", describe(args[0]))
	}
	zone := time.UTC
	if len(args) > 1 {
		name, err := textArgument(args, 1)
		if err != nil {
			return nil, err
		}
		if err := b.effort(zoneCost); err != nil {
			return nil, err
		}
		if zone, err = zoneOf(name); err != nil {
			return nil, err
		}
	}
	s := at.In(zone).Format("2006-01-02 15:04 MST")
	return s, b.text(len(s))
}

// column is a field of the items of a table, by its path.
type column struct {
	title string
	path  []string
}

func inferTable(c *checker, k call, f flow) Type {
	item := c.list(k, 0, f)
	written, ok := k.args[1].(*ast.ArrayNode)
	if !ok || len(written.Nodes) == 0 {
		return c.report(k.args[1], "E315", "the fields of a table must be written, not computed", "as in "+c.functions["table"].example)
	}
	c.types[written] = ListOf(StringType())
	for _, n := range written.Nodes {
		name, ok := n.(*ast.StringNode)
		if !ok {
			c.report(n, "E315", "the fields of a table must be written, not computed", "as in "+c.functions["table"].example)
			continue
		}
		c.types[name] = literalType(name.Value)
		c.tableColumn(name, item)
	}
	return StringType()
}

// tableColumn looks that items have the field, and that it can stand in a table.
func (c *checker) tableColumn(n *ast.StringNode, item Type) {
	t := item
	for part := range strings.SplitSeq(n.Value, ".") {
		t = t.Present()
		if t.kind == kindAny || t.kind == kindBroken || t.kind == kindNever {
			return
		}
		field, ok := t.Field(part)
		if !ok {
			hint := "the fields of records: [\"name\", \"label\"]"
			if near := t.Suggest(part); near != "" {
				hint = fmt.Sprintf("did you mean `%s`?", near)
			}
			c.report(n, "E304", fmt.Sprintf("%s has no field `%s`", t.widen(), part), hint)
			return
		}
		t = field
	}
	t = t.Present()
	if elem, ok := t.Elem(); ok && t.IsList() {
		t = elem.Present()
	}
	if !t.IsScalar() && t.kind != kindAny && t.kind != kindBroken {
		c.report(n, "E308", fmt.Sprintf("%s cannot stand in a table", t.widen()), "name a field of it: \""+n.Value+".name\"")
	}
}

func lowerTable(l *lowering, k call) ast.Node {
	written := k.args[1].(*ast.ArrayNode)
	columns := make([]column, len(written.Nodes))
	for i, n := range written.Nodes {
		title := n.(*ast.StringNode).Value
		columns[i] = column{title, strings.Split(title, ".")}
	}
	return l.call("table", evalTable, l.lower(k.args[0]), &ast.ConstantNode{Value: &columns})
}

// The bounds of a table.
const (
	maxCell = 80   // characters of a cell
	maxRows = 1000 // the rest is counted in a last line
)

func evalTable(b *budget, args []any) (any, error) {
	items, err := listArgument(args, 0)
	if err != nil {
		return nil, err
	}
	columns := *args[1].(*[]column)
	left := max(0, len(items)-maxRows)
	items = items[:len(items)-left]
	if err := b.list(times(len(items)+1, len(columns))); err != nil {
		return nil, err
	}
	rows := [][]string{make([]string, len(columns))}
	widths := make([]int, len(columns))
	for i, col := range columns {
		rows[0][i] = col.title
		widths[i] = max(3, utf8.RuneCountInString(col.title))
	}
	size := 0
	for _, item := range items {
		row := make([]string, len(columns))
		for i, col := range columns {
			if row[i], err = col.cell(item); err != nil {
				return nil, err
			}
			size += len(row[i])
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		if err := errors.Join(b.read(4*maxCell*len(columns)), b.build(maxCell*len(columns))); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	line := 2
	for _, w := range widths {
		line += w + 3
	}
	if err := b.text(size + times(len(rows)+1, line)); err != nil {
		return nil, err
	}
	return drawTable(rows, widths, left), nil
}

func drawTable(rows [][]string, widths []int, left int) string {
	var out strings.Builder
	for i, row := range rows {
		for j, cell := range row {
			out.WriteString("| " + cell + strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)+1))
		}
		out.WriteString("|\n")
		if i > 0 {
			continue
		}
		for _, w := range widths {
			out.WriteString("|" + strings.Repeat("-", w+2))
		}
		out.WriteString("|\n")
	}
	if left > 0 {
		fmt.Fprintf(&out, "and %d more\n", left)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// cell is what a table shows of an item: one line, without what tables are made
// of.
func (c column) cell(item any) (string, error) {
	v := item
	for _, name := range c.path {
		record, ok := v.(map[string]any)
		if !ok {
			v = nil
			break
		}
		v = record[name]
	}
	parts := []any{v}
	if list, ok := v.([]any); ok {
		parts = list[:min(len(list), maxCell)]
	}
	var shown []string
	for _, part := range parts {
		if part == nil {
			continue
		}
		s, ok := printed(part)
		if !ok {
			return "", fmt.Errorf("%s in the column %s cannot stand in a table", describe(part), c.title)
		}
		shown = append(shown, oneLine(s))
	}
	if len(shown) == 0 {
		return "–", nil
	}
	return cutCell(strings.Join(shown, ", ")), nil
}

// oneLine replaces what would break a line or a cell, or could not be seen.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || isInvisible(r) {
			return ' '
		}
		return r
	}, s[:min(len(s), 4*maxCell+4)])
	return strings.ReplaceAll(s, "|", "¦")
}

func cutCell(s string) string {
	if utf8.RuneCountInString(s) <= maxCell {
		return s
	}
	return string([]rune(s)[:maxCell-1]) + "…"
}
