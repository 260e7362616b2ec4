// Package examples holds the example playbooks with the incidents they are
// shown on and the configuration of the practice tenant. Tests lint and run
// them, and `stanch demo` carries them in its binary, so that what the tutorial
// says is what happens. The folders responses, public responses of other systems
// written in this language, and stored, incidents as a store keeps them, are not
// carried.
package examples

import "embed"

// Files are the playbooks, practice.yaml, and fixtures/*.json.
//
//go:embed *.yaml fixtures/*.json
var Files embed.FS
