// Package examples holds the example playbooks with the incidents they are
// shown on and the configuration of the practice tenant. Tests lint and run
// them, and `stanch demo` carries them in its binary, so that what the tutorial
// says is what happens. The folder responses, public responses of other systems
// written in this language, is not carried.
package examples

import "embed"

// Files are the playbooks, practice.yaml, and fixtures/*.json.
//
//go:embed *.yaml fixtures/*.json
var Files embed.FS
