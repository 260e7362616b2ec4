package playbooks

import (
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

var (
	secretForm = regexp.MustCompile(strings.Join([]string{
		`-----BEGIN [A-Z ]*PRIVATE KEY-----`,
		`\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*`,                                 // a signed token
		`\b(?:AKIA|ASIA)[A-Z0-9]{16}\b`,                                                               // AWS
		`\b[A-Za-z0-9_.~-]{3}[78]Q~[A-Za-z0-9_.~-]{31,34}`,                                            // Entra client secret
		`\b(?:ghp|gho|ghs|ghu)_[A-Za-z0-9]{36}`,                                                       // GitHub
		`\bxox[abprs]-[A-Za-z0-9-]{10,}`,                                                              // Slack
		`(?i)\b(?:AccountKey|SharedAccessKey|sig|Password|Pwd)=[A-Za-z0-9+/%=_.~-]{12,}`,              // connection strings, SAS
		`(?i)\bBearer [A-Za-z0-9._~+/-]{16,}`,                                                         // a header
		`https://[a-z0-9.-]+\.webhook\.office\.com/webhookb2/`, `https://hooks\.slack\.com/services/`, // whoever knows it may post
		`https?://[^/\s:@]+:[^/\s:@]+@`, // a password in a URL
	}, "|"))
	secretName = regexp.MustCompile(`(?i)(?:^|_)(?:password|passwd|pwd|secret|client_secret|token|api_?key|access_?key|private_?key|credentials?)$`)
)

// secrets warns of texts that look like secrets: a playbook is read by many, and
// kept with each of its runs.
func (c *linter) secrets() {
	for _, q := range c.p.Params {
		if text, ok := q.Default.(string); ok && text != "" && secretName.MatchString(q.Name) {
			if n := c.defaultOf(q); n != nil {
				c.secret(n, "the default of "+q.Name)
			}
		}
	}
	c.secretsIn(c.p.written.node, "")
}

// defaultOf is where the default of a param stands.
func (c *linter) defaultOf(q Param) *yaml.Node {
	params, _ := c.p.written.get("params")
	x, _ := child(params.value, q.Name)
	d, ok := child(x.value, "default")
	if !ok {
		return nil
	}
	return d.value
}

func (c *linter) secretsIn(n *yaml.Node, key string) {
	switch n.Kind {
	case yaml.ScalarNode:
		if len(n.Value) > 10 && mayHoldSecret(n.Value) && secretForm.MatchString(n.Value) {
			c.secret(n, "this text")
		} else if key != "" && n.Tag == "!!str" && n.Value != "" && secretName.MatchString(key) && !strings.Contains(n.Value, "${{") {
			c.secret(n, key)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if n.Content[i+1].Kind != yaml.ScalarNode || !slices.Contains(playbookWords(), name) {
				c.secretsIn(n.Content[i+1], name)
			}
		}
	default:
		for _, item := range n.Content {
			c.secretsIn(item, "")
		}
	}
}

// playbookWords are keys whose value is never a secret, whatever it is called.
func playbookWords() []string { return []string{"type", "description", "title", "id", "playbook"} }

// secret warns without showing the text.
func (c *linter) secret(n *yaml.Node, what string) {
	before := len(c.findings)
	c.add(c.src.node(n), "W516", "keep it in the operator's configuration: connectors take secrets from there", "%s looks like a secret: a playbook is no place for it", what)
	if len(c.findings) == before {
		return
	}
	f := &c.findings[len(c.findings)-1]
	runes := []rune(f.source)
	for i := max(0, f.Column-1); i < len(runes) && (f.EndLine > f.Line || i < f.EndColumn-1); i++ {
		if runes[i] != ' ' {
			runes[i] = '*'
		}
	}
	f.source = string(runes)
}
