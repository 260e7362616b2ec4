package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/playbooks"
)

// The widths of what a trace shows of one value and of one part.
const (
	briefValue = 72
	briefText  = 100
)

// showTrace tells an evaluation: the value and its type, then the parts.
func (sh *shell) showTrace(t playbooks.Trace, failed error) {
	if failed != nil {
		sh.err.Line(terminal.Text{Style: terminal.Red, Text: "no value: "}, failed)
		from, to := failedAt(failed)
		sh.mark(t.Source, from, to)
	} else {
		sh.out.Line(terminal.Text{Style: terminal.Bold, Text: wholeValue(t.Value)}, "  ", terminal.Text{Style: terminal.Faint, Text: t.Type.String()})
	}
	if len(t.Root.Parts) > 0 || t.Root.Items != nil {
		sh.out.Printf("\n")
		sh.showPart(t.Root, 0)
	}
}

// showPart tells a part and, indented, its own parts.
func (sh *shell) showPart(p playbooks.Part, depth int) {
	indent := strings.Repeat("  ", depth)
	sh.out.Line(indent, shortText(p.Text, briefText), " = ", outcomeText(p))
	if p.Outcome == playbooks.PartUnlooked {
		return
	}
	for _, part := range p.Parts {
		sh.showPart(part, depth+1)
	}
	if p.Items != nil {
		sh.showItems(p, depth+1)
	}
}

// showItems tells what was asked about each item: how often, and of whom first.
func (sh *shell) showItems(p playbooks.Part, depth int) {
	i := p.Items
	counted := fmt.Sprintf("asked about %d of %s", i.Asked, plural(i.Total, "item"))
	if i.True+i.False > 0 {
		counted += fmt.Sprintf(": %d true, %d false", i.True, i.False)
	}
	sh.out.Line(strings.Repeat("  ", depth), terminal.Text{Style: terminal.Faint, Text: counted})
	for _, item := range i.Some {
		indent := strings.Repeat("  ", depth+1)
		about := fmt.Sprintf("item %d", item.Index)
		if item.Item != nil {
			about += " " + itemName(item.Item)
		}
		sh.out.Line(indent, terminal.Text{Style: terminal.Faint, Text: about})
		sh.showPart(item.Part, depth+2)
	}
	if left := i.Asked - len(i.Some); left > 0 {
		sh.out.Line(strings.Repeat("  ", depth+1), terminal.Text{Style: terminal.Faint, Text: fmt.Sprintf("… and %d more", left)})
	}
}

// outcomeText is what a part answered.
func outcomeText(p playbooks.Part) terminal.Text {
	switch p.Outcome {
	case playbooks.PartUnlooked:
		return terminal.Text{Style: terminal.Faint, Text: "not looked at"}
	case playbooks.PartFailed:
		if p.Message == "" {
			return terminal.Text{Style: terminal.Red, Text: "no value"}
		}
		return terminal.Text{Style: terminal.Red, Text: "failed: " + terminal.OneLine(p.Message)}
	}
	style := terminal.Plain
	switch p.Value {
	case true:
		style = terminal.Green
	case false:
		style = terminal.Yellow
	case nil:
		style = terminal.Faint
	}
	return terminal.Text{Style: style, Text: briefly(p.Value)}
}

// wholeValue is a value in full: text as it is, everything else as JSON.
func wholeValue(v any) string {
	if v == nil {
		return "absent"
	}
	return terminal.OneLine(valueJSON(v))
}

// briefly is a value on one line that is not long.
func briefly(v any) string {
	text := wholeValue(v)
	if len([]rune(text)) <= briefValue {
		return text
	}
	if list, is := v.([]any); is {
		return shortText(fmt.Sprintf("%s: %s", plural(len(list), "item"), text), briefValue)
	}
	return shortText(text, briefValue)
}

// itemName is what people know an item by.
func itemName(v any) string {
	if record, is := v.(map[string]any); is {
		for _, key := range []string{"name", "upn", "title", "address", "subject", "url", "id"} {
			if s, is := record[key].(string); is && s != "" {
				return shortText(terminal.OneLine(s), briefValue)
			}
		}
	}
	return briefly(v)
}

func valueJSON(v any) string {
	raw, err := playbooks.Encode(v)
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return string(raw)
}

// shortText is a text on one line, cut with an ellipsis.
func shortText(s string, most int) string {
	s = terminal.OneLine(strings.Join(strings.Fields(s), " "))
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// traceData is what `stanch eval --output json` prints.
type traceData struct {
	Expression string          `json:"expression"`
	Type       string          `json:"type"`
	Value      json.RawMessage `json:"value"`
	Error      *evalFault      `json:"error,omitempty"`
	Trace      partData        `json:"trace"`
}

type evalFault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	From    int    `json:"from"` // in runes, from 0
	To      int    `json:"to"`
}

type partData struct {
	Text    string          `json:"text"`
	Type    string          `json:"type"`
	Outcome string          `json:"outcome"` // value | failed | not looked at
	Value   json.RawMessage `json:"value,omitempty"`
	Cut     bool            `json:"cut,omitempty"` // the value is long: it is given as the beginning of its JSON
	Message string          `json:"message,omitempty"`
	Parts   []partData      `json:"parts,omitempty"`
	Items   *itemsData      `json:"items,omitempty"`
}

type itemsData struct {
	Total int        `json:"total"`
	Asked int        `json:"asked"`
	True  int        `json:"true"`
	False int        `json:"false"`
	Some  []itemData `json:"some"`
}

type itemData struct {
	Index  int      `json:"index"`
	Answer partData `json:"answer"`
}

func tracedData(t playbooks.Trace, failed error) traceData {
	out := traceData{Expression: t.Source, Type: t.Type.String(), Value: json.RawMessage(valueJSON(t.Value)), Trace: dataOfPart(t.Root)}
	if failed != nil {
		from, to := failedAt(failed)
		out.Error = &evalFault{Code: evalCode(failed), Message: failed.Error(), From: from, To: to}
	}
	return out
}

func evalCode(err error) string {
	if coded, is := err.(interface{ ErrorCode() string }); is {
		return coded.ErrorCode()
	}
	return ""
}

// longValue is how many bytes of JSON a part's value may have to be given whole.
const longValue = 4 << 10

func dataOfPart(p playbooks.Part) partData {
	out := partData{Text: p.Text, Type: p.Type.String(), Outcome: string(p.Outcome), Message: p.Message}
	if p.Outcome == playbooks.PartValue {
		text := valueJSON(p.Value)
		if out.Cut = len(text) > longValue; out.Cut {
			text = valueJSON(strings.ToValidUTF8(text[:longValue], ""))
		}
		out.Value = json.RawMessage(text)
	}
	for _, part := range p.Parts {
		out.Parts = append(out.Parts, dataOfPart(part))
	}
	if p.Items != nil {
		out.Items = &itemsData{p.Items.Total, p.Items.Asked, p.Items.True, p.Items.False, []itemData{}}
		for _, item := range p.Items.Some {
			out.Items.Some = append(out.Items.Some, itemData{item.Index, dataOfPart(item.Part)})
		}
	}
	return out
}
