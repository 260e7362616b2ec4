package lsp

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"stanch/playbooks"
)

// told reads what a notification says; one that cannot be read has no answer
// and changes nothing.
func told[T any](params json.RawMessage) (p T, ok bool) {
	err := json.Unmarshal(params, &p)
	return p, err == nil
}

func (s *server) opened(params json.RawMessage) error {
	p, ok := told[openParams](params)
	if !ok {
		return nil
	}
	d := &document{uri: p.TextDocument.URI, file: fileOf(p.TextDocument.URI)}
	d.set(p.TextDocument.Version, p.TextDocument.Text)
	s.documents[d.uri] = d
	return s.publish()
}

func (s *server) changed(params json.RawMessage) error {
	p, ok := told[changeParams](params)
	if !ok {
		return nil
	}
	d, ok := s.documents[p.TextDocument.URI]
	if !ok {
		return nil
	}
	for _, c := range p.ContentChanges {
		if c.Range == nil {
			d.set(p.TextDocument.Version, c.Text)
			continue
		}
		d.change(*c.Range, c.Text)
	}
	d.version = p.TextDocument.Version
	return nil
}

func (s *server) closed(params json.RawMessage) error {
	p, ok := told[documentParams](params)
	if !ok {
		return nil
	}
	d, ok := s.documents[p.TextDocument.URI]
	if !ok {
		return nil
	}
	delete(s.documents, d.uri)
	return s.out.notify("textDocument/publishDiagnostics", publishParams{URI: d.uri, Version: d.version, Diagnostics: []diagnostic{}})
}

// analysed is what is known of a document's text of now.
func (s *server) analysed(d *document) *playbooks.Analysis {
	if d.analysis == nil {
		d.analysis = playbooks.Analyse(d.file, []byte(d.text), s.worldOf(d))
	}
	return d.analysis
}

// worldOf is the world with what stands in the editor in place of what stands
// in files.
func (s *server) worldOf(d *document) playbooks.World {
	w := s.world
	w.Calls = maps.Clone(w.Calls)
	if w.Calls == nil {
		w.Calls = map[string]playbooks.Source{}
	}
	for _, other := range s.documents {
		if other == d || other.analysis == nil {
			continue
		}
		if id := other.analysis.ID(); id != "" {
			w.Calls[id] = playbooks.Source{File: other.file, Text: []byte(other.text)}
		}
	}
	return w
}

// publish tells the findings of documents that have changed.
func (s *server) publish() error {
	for _, uri := range slices.Sorted(maps.Keys(s.documents)) {
		d := s.documents[uri]
		if !d.dirty {
			continue
		}
		d.dirty = false
		p := publishParams{URI: d.uri, Version: d.version, Diagnostics: []diagnostic{}}
		for _, f := range s.findings(d) {
			p.Diagnostics = append(p.Diagnostics, d.diagnostic(f))
		}
		if err := s.out.notify("textDocument/publishDiagnostics", p); err != nil {
			return err
		}
	}
	return nil
}

// findings are those of a playbook, of its tests, of a rule or a list in their
// folders; of other files none.
func (s *server) findings(d *document) []playbooks.Finding {
	if d.isPlaybook() {
		return s.analysed(d).Findings()
	}
	switch playbooks.KindOfFile([]byte(d.text)) {
	case playbooks.TestFile:
		_, findings := playbooks.LoadCases(d.file, []byte(d.text))
		return findings
	case playbooks.ListFile:
		if filepath.Base(filepath.Dir(d.file)) == "lists" {
			_, findings := playbooks.LoadList(d.file, []byte(d.text))
			return findings
		}
	case playbooks.RuleFile:
		if filepath.Base(filepath.Dir(d.file)) == "rules" {
			return s.findingsOfRule(d)
		}
	}
	return nil
}

// findingsOfRule are those of a rule by itself: what other rules mean for it is
// told by lint.
func (s *server) findingsOfRule(d *document) []playbooks.Finding {
	r, findings := playbooks.LoadRule(d.file, []byte(d.text))
	if r == nil {
		return findings
	}
	w := s.worldOf(d)
	if s.world.Calls == nil {
		w.Calls = nil
	}
	return append(findings, playbooks.CheckRules([]*playbooks.Rule{r}, w, time.Now())...)
}

func (d *document) diagnostic(f playbooks.Finding) diagnostic {
	severity := 1
	if f.Severity != playbooks.SeverityError {
		severity = 2
	}
	message := f.Message
	if f.Hint != "" {
		message += "\n" + f.Hint
	}
	return diagnostic{Range: d.rangeOf(placeOf(f)), Severity: severity, Code: f.Code, Source: "stanch", Message: message}
}

func placeOf(f playbooks.Finding) playbooks.Range {
	return playbooks.Range{
		Start: playbooks.Position{Line: f.Line, Column: f.Column},
		End:   playbooks.Position{Line: f.EndLine, Column: f.EndColumn},
	}
}

func (s *server) hover(d *document, p positionParams) (any, error) {
	h, ok := s.analysed(d).Hover(d.place(p.Position))
	if !ok {
		return nil, nil
	}
	return hover{markdown(h.Markdown), d.rangeOf(h.Range)}, nil
}

func (s *server) completion(d *document, p positionParams) (any, error) {
	items := []completionItem{}
	for i, c := range playbooks.Complete(d.file, []byte(d.text), d.place(p.Position), s.worldOf(d)) {
		detail := c.Detail
		if c.Must {
			detail += " (required)"
		}
		items = append(items, completionItem{
			Label: c.Label, Kind: picture(c.Kind), Detail: detail, Documentation: markdown(c.Doc),
			SortText: fmt.Sprintf("%04d", i), TextEdit: textEdit{d.rangeOf(c.Range), c.Insert},
		})
	}
	return items, nil
}

func (s *server) definition(d *document, p positionParams) (any, error) {
	place, ok := s.analysed(d).Definition(d.place(p.Position))
	if !ok {
		return nil, nil
	}
	if place.File != d.file {
		return location{URI: uriOf(place.File)}, nil
	}
	return location{d.uri, d.rangeOf(place.Range)}, nil
}

func (s *server) references(d *document, p positionParams) (any, error) {
	all := []location{}
	for _, r := range s.analysed(d).References(d.place(p.Position), p.Context.IncludeDeclaration) {
		all = append(all, location{d.uri, d.rangeOf(r)})
	}
	return all, nil
}

func (s *server) prepareRename(d *document, p positionParams) (any, error) {
	name, at, err := s.analysed(d).Renamable(d.place(p.Position))
	if err != nil {
		return nil, failed(codeFailed, "%v", err)
	}
	return map[string]any{"range": d.rangeOf(at), "placeholder": name}, nil
}

func (s *server) rename(d *document, p positionParams) (any, error) {
	edits, err := s.analysed(d).Rename(d.place(p.Position), p.NewName)
	if err != nil {
		return nil, failed(codeFailed, "%v", err)
	}
	return d.edit(edits), nil
}

func (d *document) edit(edits []playbooks.Edit) workspaceEdit {
	all := []textEdit{}
	for _, e := range edits {
		all = append(all, textEdit{d.rangeOf(e.Range), e.Text})
	}
	return workspaceEdit{map[string][]textEdit{d.uri: all}}
}

func (s *server) formatting(d *document, _ positionParams) (any, error) {
	out, findings := playbooks.Format(d.file, []byte(d.text))
	if len(findings) > 0 {
		f := findings[0]
		return nil, failed(codeFailed, "not formatted: line %d: %s", f.Line, f.Message)
	}
	if string(out) == d.text {
		return []textEdit{}, nil
	}
	return []textEdit{{d.whole(), string(out)}}, nil
}

func (s *server) codeAction(params json.RawMessage) (any, error) {
	var p actionParams
	if err := json.Unmarshal(params, &p); err != nil {
		return nil, failed(codeInvalidParams, "textDocument/codeAction: %v", err)
	}
	d, err := s.document(p.TextDocument.URI)
	if err != nil {
		return nil, err
	}
	all := []codeAction{}
	if !d.isPlaybook() {
		return all, nil
	}
	a := s.analysed(d)
	for _, f := range a.Findings() {
		at := d.rangeOf(placeOf(f))
		if at.End.before(p.Range.Start) || p.Range.End.before(at.Start) {
			continue
		}
		for _, fix := range a.Fixes(f) {
			all = append(all, codeAction{
				Title: fix.Title, Kind: "quickfix", Diagnostics: []diagnostic{d.diagnostic(f)}, IsPreferred: true,
				Edit: d.edit([]playbooks.Edit{fix.Edit}),
			})
		}
	}
	return all, nil
}

func (p position) before(q position) bool {
	return p.Line < q.Line || p.Line == q.Line && p.Character < q.Character
}
