package main

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/config"
	"stanch/playbooks"
)

// schemaKinds are what has a JSON Schema.
func schemaKinds() []string { return []string{"playbook", "test", "rule", "list", "config"} }

func schemaCommand(sh *shell) *cobra.Command {
	return &cobra.Command{
		Use:     "schema [playbook|test|rule|list|config]",
		GroupID: "write",
		Short:   "Print the JSON Schema of a kind of file, for editors",
		Long: `Print the JSON Schema (draft-07) of a kind of file, for editors that check and
complete YAML by one: playbook (default), test, rule, list, or config, the
operator's file. It knows the actions of this build and what they take.

An editor without ` + "`stanch lsp`" + ` reads it from a file:

  # yaml-language-server: $schema=playbook.schema.json`,
		Example:   "  stanch schema > playbook.schema.json\n  stanch schema config > config.schema.json",
		ValidArgs: schemaKinds(),
		Args:      func(cmd *cobra.Command, args []string) error { return argCount(cmd, args, 0, 1) },
		RunE: verb(func(_ context.Context, args []string) error {
			kind := "playbook"
			if len(args) > 0 {
				kind = args[0]
			}
			return sh.schema(kind)
		}),
	}
}

func (sh *shell) schema(kind string) error {
	schema, err := schemaOf(kind)
	if err != nil {
		return err
	}
	raw, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return err
	}
	_, err = sh.out.Raw().Write(append(raw, '\n'))
	return err
}

func schemaOf(kind string) (playbooks.Schema, error) {
	if !slices.Contains(schemaKinds(), kind) {
		hint := ""
		if near := playbooks.Nearest(kind, schemaKinds()); near != "" {
			hint = ", did you mean " + near + "?"
		}
		return nil, misused("there is a schema of %s, not of %q%s", strings.Join(schemaKinds(), ", "), kind, hint)
	}
	if kind == "config" {
		return playbooks.GoSchema(reflect.TypeFor[config.Config](), "yaml", "https://stanch.invalid/config.v1.json", "The operator's file of Stanch"), nil
	}
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		return nil, err
	}
	return playbooks.SchemaOf(playbooks.FileKind(kind), catalog), nil
}
