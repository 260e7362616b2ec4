package actions

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// Catalog is what one build can do: actions by name. It is a value: tests make
// their own.
type Catalog struct{ byName map[string]Action }

// Collect makes a catalog of shelves. A shelf's exported methods that take
// nothing and answer an Action are its actions: SetSensitivityLabel on a type
// of package files is `files.set_sensitivity_label`.
func Collect(shelves ...any) (*Catalog, error) {
	c := &Catalog{byName: map[string]Action{}}
	for _, shelf := range shelves {
		v := reflect.ValueOf(shelf)
		room := v.Type()
		if room.Kind() == reflect.Pointer {
			room = room.Elem()
		}
		for m, f := range v.Methods() {
			declare, ok := f.Interface().(func() Action)
			if !ok {
				continue
			}
			if err := c.add(path.Base(room.PkgPath())+"."+snake(m.Name), declare()); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

// Of makes a catalog of actions by name, for tests and for benchmarks.
func Of(byName map[string]Action) *Catalog {
	c := &Catalog{byName: map[string]Action{}}
	for name, a := range byName {
		a.Name = name
		c.byName[name] = a
	}
	return c
}

func (c *Catalog) add(name string, a Action) error {
	if _, dup := c.byName[name]; dup {
		return fmt.Errorf("actions: %s is declared twice", name)
	}
	a.Name = name
	c.byName[name] = a
	return nil
}

// Around has in make the context of every look and every change of the actions.
// fresh says that something is judged by what is seen: a check, a state that
// approvers are shown, an inverse, what a change itself looks at, and a plan or a
// read that is tried again.
func (c *Catalog) Around(in func(ctx context.Context, call Call, fresh bool) context.Context) {
	for name, a := range c.byName {
		c.byName[name] = a.around(in)
	}
}

// Lookup answers the action of that name.
func (c *Catalog) Lookup(name string) (Action, bool) {
	a, ok := c.byName[name]
	return a, ok
}

// All yields the actions in order of their names.
func (c *Catalog) All() iter.Seq[Action] {
	return func(yield func(Action) bool) {
		for _, name := range c.Names() {
			if !yield(c.byName[name]) {
				return
			}
		}
	}
}

// Names answers the names in order.
func (c *Catalog) Names() []string { return slices.Sorted(maps.Keys(c.byName)) }

func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
