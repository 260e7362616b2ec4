package playbooks

import (
	"fmt"
	"html"
	"net/url"
	"strings"
)

// escapeFunctions make a value fit to stand in text of another language, so that
// whoever wrote the value, such as the title of an incident, cannot say anything
// there.
func escapeFunctions() map[string]function {
	escape := func(doc, example string, f func(string) string) function {
		return function{params: []Type{StringType()}, result: StringType(), doc: doc, example: example, eval: escaped(f)}
	}
	return map[string]function{
		"html":     escape("A text as text of HTML: <, >, &, ' and \" are written out.", `html("<b>")`, html.EscapeString),
		"kql":      escape("A text as a text of KQL, in its quotes.", `kql("say \"hi\"")`, kqlText),
		"odata":    escape("A text as a text of an OData filter, in its quotes.", `odata("O'Neil")`, func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }),
		"url_path": escape("A text as one part of the path of a URL.", `url_path("a/b c")`, url.PathEscape),
	}
}

// growth is how much longer than a text its escaped form is at most.
const growth = 6

func escaped(f func(string) string) evaluator {
	return func(b *budget, args []any) (any, error) {
		s, err := textArgument(args, 0)
		if err != nil {
			return nil, err
		}
		if err := b.text(growth*len(s) + 2); err != nil {
			return nil, err
		}
		return f(s), nil
	}
}

// kqlText writes a text as a literal of KQL
// (learn.microsoft.com/kusto/query/scalar-data-types/string).
func kqlText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// escapeOf is the function that makes a value fit for a language that a
// parameter may declare; "" where there is none.
func escapeOf(language string) string {
	return map[string]string{"html": "html", "kql": "kql", "odata": "odata", "url": "url_path", "json": "toJSON"}[language]
}
