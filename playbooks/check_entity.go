package playbooks

import (
	"reflect"
	"sync"
)

// entityTypes are the kinds of entities that evidence holds, and the incident.
func entityTypes() map[string]Type {
	kinds := map[string]Type{"incident": incidentType()}
	for _, f := range evidenceType().Fields() {
		if elem, ok := f.Type.Elem(); ok && f.Name != "other" {
			kinds[elem.Name()] = elem
		}
	}
	alerts, _ := incidentType().Field("alerts")
	if elem, ok := alerts.Elem(); ok {
		kinds["alert"] = elem
	}
	return kinds
}

// kindOfEntity answers which entity a type is.
func (c *linter) kindOfEntity(t Type) (string, bool) {
	if t.def == nil {
		return "", false
	}
	src, ok := t.def.source.(reflect.Type)
	if !ok {
		return "", false
	}
	for kind, e := range c.entities {
		if e.def.source == src {
			return kind, true
		}
	}
	return "", false
}

// entityType is the type of an entity by the name of its kind, or of nothing
// known.
func entityType(kind string) Type {
	if t, ok := entities()[kind]; ok {
		return t
	}
	return Type{kind: kindBroken}
}

// entities are entityTypes, made once.
var entities = sync.OnceValue(entityTypes)

// permissions gives params of the type permission the fields that the catalog's
// permissions have.
func (c *linter) permissions() {
	elem := AnyType()
	if c.w.Catalog != nil {
		if a, ok := c.w.Catalog.Lookup("files.list_permissions"); ok {
			list, _ := c.goType(a.Result).Field("permissions")
			if t, ok := list.Elem(); ok {
				elem = t
			}
		}
	}
	var fill func(Type) Type
	fill = func(t Type) Type {
		switch {
		case t.IsRecord() && t.Name() == "permission" && len(t.Fields()) == 0:
			return elem
		case t.IsList():
			inner, _ := t.Elem()
			return ListOf(fill(inner))
		case t.kind == kindOptional:
			return OptionalOf(fill(t.Present()))
		}
		return t
	}
	for i := range c.p.Params {
		c.p.Params[i].Type = fill(c.p.Params[i].Type)
	}
}
