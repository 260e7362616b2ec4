// Package playbooks is the language: it loads YAML into playbooks with
// positions, checks names, types and flow, and evaluates the typed expressions
// in them. It is the only room with expr-lang, and owns yaml.v3.
//
// It knows nothing of runs, stores or connectors: it says what is written, not
// what happens.
package playbooks
