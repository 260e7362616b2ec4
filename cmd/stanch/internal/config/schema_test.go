package config

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"stanch/playbooks"
)

// The schema of the operator's file takes the practice tenant's, and knows every
// key and word that Load knows.
func TestSchemaOfTheOperatorsFile(t *testing.T) {
	raw, err := json.Marshal(playbooks.GoSchema(reflect.TypeFor[Config](), "yaml", "config.json", "The operator's file"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	practice, err := os.ReadFile("../../../../examples/practice.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for text, valid := range map[string]bool{
		string(practice):                               true,
		"feed: {poll: 30s}\n":                          true,
		"grups: {a: [b]}\n":                            false,
		"feed: {poll: 30}\n":                           false,
		"tenant: {cloud: moon}\n":                      false,
		"tenant: {auth: {secret: hunter2}}\n":          false,
		"guardrails: {max_targets: {files: \"50\"}}\n": false,
	} {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); (err == nil) != valid {
			t.Errorf("%s: %v", text, err)
		}
	}
}
