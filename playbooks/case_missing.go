package playbooks

import "strings"

// NoPlaybook is the finding that the playbook of a test file is not there.
func (f *CaseFile) NoPlaybook() Finding {
	r := &report{src: f.source}
	at := span{}
	for n := range f.source.starts {
		if strings.HasPrefix(f.source.line(n+1), "playbook:") {
			at = f.source.lineSpan(n + 1)
		}
	}
	r.add(at, "E601", "name it as seen from the folder of this file", "there is no file %s", quoted(f.Playbook))
	return r.findings[0]
}
