package main

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"stanch/actions"
	"stanch/playbooks"
)

// actionDoc is what is told of an action.
type actionDoc struct {
	Name        string               `json:"name"`
	Doc         string               `json:"doc"`
	Class       actions.Class        `json:"class"`
	Permissions []actions.Permission `json:"permissions"`
	Throttle    string               `json:"throttle"`
	Also        string               `json:"also"`      // throttling class of which sending an effect uses a call besides
	Elsewhere   string               `json:"elsewhere"` // throttling class on targets of another API, and which they are
	Planning    string               `json:"planning"`  // throttling class of planning, where that is another
	Repeat      actions.Repeat       `json:"repeat"`
	Settling    string               `json:"settling"`
	Within      string               `json:"within"` // how long work that was accepted may go on
	Timeout     string               `json:"timeout"`
	Undo        bool                 `json:"undo"`
	NoUndo      string               `json:"no_undo"`
	Entity      string               `json:"entity"` // kind of what it acts upon
	Params      []fieldDoc           `json:"params"`
	Output      []fieldDoc           `json:"output"`
	Example     string               `json:"example"`
	Source      string               `json:"source"`
}

// fieldDoc is one parameter or one field of the output.
type fieldDoc struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required"`
	Default  string `json:"default"`
	Doc      string `json:"doc"`
}

func actionsCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "actions [NAME]",
		GroupID: "write",
		Short:   "List what playbooks can do, or tell all about one action",
		Example: `  stanch actions
  stanch actions files.unshare
  stanch actions --output json`,
		Args: func(cmd *cobra.Command, args []string) error { return argCount(cmd, args, 0, 1) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			catalog, err := catalogOf(clients{}, nil)
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			return catalog.Names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: verb(func(_ context.Context, args []string) error {
			catalog, err := catalogOf(clients{}, nil)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return sh.oneAction(catalog, args[0])
			}
			return sh.allActions(catalog)
		}),
	}
	sh.outputFlag(c)
	return c
}

// firstSentence is what an action does; what else there is to know is told where
// one is asked for.
func firstSentence(doc string) string {
	first, _, more := strings.Cut(doc, ". ")
	if more {
		first += "."
	}
	return first
}

func (sh *shell) allActions(catalog *actions.Catalog) error {
	docs := []actionDoc{}
	for a := range catalog.All() {
		docs = append(docs, describe(a))
	}
	return sh.print(docs, func() {
		t := table("ACTION", "CLASS", "UNDO", "WHAT IT DOES")
		for _, d := range docs {
			undo := "yes"
			switch {
			case d.Class == actions.Reads:
				undo = "-"
			case !d.Undo:
				undo = "no"
			}
			t.Add(d.Name, string(d.Class), undo, firstSentence(d.Doc))
		}
		sh.out.Table(t)
	})
}

func (sh *shell) oneAction(catalog *actions.Catalog, name string) error {
	a, known := catalog.Lookup(name)
	if !known {
		if near := playbooks.Nearest(name, catalog.Names()); near != "" {
			return misused("there is no action %q, did you mean %q?", name, near)
		}
		return misused("there is no action %q: `stanch actions` lists all", name)
	}
	d := describe(a)
	return sh.print(d, func() { sh.actionPage(d) })
}

func (sh *shell) actionPage(d actionDoc) {
	sh.out.Printf("%s\n\n  %s\n\n", d.Name, d.Doc)
	t := table("", "")
	t.Add("effect", string(d.Class))
	if d.Class != actions.Reads {
		undo := "yes"
		if !d.Undo {
			undo = "no: " + d.NoUndo
		}
		t.Add("undo", undo)
		t.Add("repeat", string(d.Repeat))
		t.Add("settles in", d.Settling)
		if d.Within != d.Settling {
			t.Add("work ends in", d.Within+", else a person is asked")
		}
	}
	t.Add("one request", "at most "+d.Timeout)
	t.Add("throttled as", d.Throttle)
	if d.Also != "" {
		t.Add("", d.Also+", too, when it is sent")
	}
	if d.Elsewhere != "" {
		t.Add("", d.Elsewhere)
	}
	if d.Planning != "" {
		t.Add("", d.Planning+", while it is planned")
	}
	for i, p := range d.Permissions {
		label := "permissions"
		if i > 0 {
			label = ""
		}
		what := p.Name + " (" + p.API + ")"
		if p.When != "" {
			what += ", " + p.When
		}
		t.Add(label, what)
	}
	t.Add("source", d.Source)
	sh.facts(t)
	sh.fields("parameters", d.Params)
	sh.fields("output", d.Output)
	if d.Example != "" {
		sh.out.Printf("\nexample\n  - uses: %s\n    with:\n%s\n", d.Name, indent(d.Example, "      "))
	}
}

func (sh *shell) fields(title string, fields []fieldDoc) {
	if len(fields) == 0 {
		return
	}
	sh.out.Printf("\n%s\n", title)
	t := table("", "", "")
	for _, f := range fields {
		doc := f.Doc
		switch {
		case title == "parameters" && f.Default != "":
			doc += " (default " + f.Default + ")"
		case title == "parameters" && !f.Required:
			doc += " (optional)"
		}
		t.Add(f.Name, f.Type, doc)
	}
	sh.facts(t)
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by)
}

// describe reads the page of an action from its declaration.
func describe(a actions.Action) actionDoc {
	d := actionDoc{
		Name: a.Name, Doc: a.Doc, Class: a.Class, Permissions: a.Permissions, Throttle: a.Throttle, Also: a.Also, Planning: a.Planning, Repeat: a.Repeat,
		Settling: a.Settling.String(), Within: a.Within.String(), Timeout: a.Timeout.String(), Undo: a.Undoable(), NoUndo: a.NoUndo,
		Params: describeFields(a.Params), Output: describeFields(a.Result), Example: a.Example, Source: a.Source,
	}
	if d.Permissions == nil {
		d.Permissions = []actions.Permission{}
	}
	switch w := a.Elsewhere; {
	case w.First != "":
		d.Elsewhere = w.Class + ", where " + w.Param + " is of " + w.First
	case w.Param != "":
		d.Elsewhere = w.Class + ", where " + w.Param + " is given"
	}
	_, d.Entity, _ = a.EntityParam()
	return d
}

func describeFields(t reflect.Type) []fieldDoc {
	docs := []fieldDoc{}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		typ := fmt.Sprint(playbooks.TypeOf(f.Type).Present())
		if enum := f.Tag.Get("enum"); enum != "" {
			typ = strings.ReplaceAll(enum, ",", " | ")
		}
		docs = append(docs, fieldDoc{
			Name: name, Type: typ, Doc: f.Tag.Get("doc"), Default: f.Tag.Get("default"),
			Required: !strings.Contains(options, "omit") && f.Tag.Get("default") == "",
		})
	}
	return docs
}
