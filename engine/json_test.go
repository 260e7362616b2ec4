package engine_test

import (
	"encoding/json"
	"testing"

	"stanch/engine"
)

func outputs(t *testing.T, r engine.Run) string {
	t.Helper()
	raw, err := json.Marshal(r.Outputs)
	if err != nil {
		t.Fatal(err)
	}
	return canonical(t, string(raw))
}

// canonical writes JSON with sorted keys.
func canonical(t *testing.T, s string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
