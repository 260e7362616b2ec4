package playbooks

import (
	"encoding/json"
	"errors"
)

// Decode reads JSON as plain values of t.
func (t Type) Decode(raw json.RawMessage) (any, error) { return nil, errors.New("playbooks: decode") }

// Encode writes a plain value as JSON.
func Encode(v any) (json.RawMessage, error) { return nil, errors.New("playbooks: encode") }
