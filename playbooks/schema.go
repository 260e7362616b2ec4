package playbooks

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"stanch/actions"
)

// Schema is a JSON Schema, draft-07: what the YAML language servers of editors
// read best.
type Schema map[string]any

const draft = "http://json-schema.org/draft-07/schema#"

// inBraces matches text with ${{ }} in it, which may stand in place of a value.
const inBraces = `\$\{\{`

// durationPattern is what ParseDuration reads, but for nothing and less.
const durationPattern = `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d|w))+$`

// SchemaOf is the JSON Schema of a kind of file; the actions are those that
// `uses` may name. It says what structure the loader takes, not what types and
// names the checker asks for. It is nil for a kind that has none.
func SchemaOf(kind FileKind, catalog *actions.Catalog) Schema {
	s := &schemaWriter{catalog: catalog, definitions: Schema{}}
	var root Schema
	switch kind {
	case TestFile:
		return GoSchema(reflect.TypeFor[CaseFile](), "json", kind.SchemaURL(), "Tests of a playbook of Stanch")
	case PlaybookFile:
		root = s.place("playbook")
		for _, name := range slices.Sorted(maps.Keys(grammar())) {
			if !slices.Contains([]string{"playbook", "test", "rule", "list"}, name) {
				s.definitions[name] = s.place(name)
			}
		}
		s.definitions["step"] = s.step()
	case RuleFile, ListFile:
		root = s.place(string(kind))
	default:
		return nil
	}
	s.definitions["type"] = typeSchema()
	root["$schema"], root["$id"] = draft, kind.SchemaURL()
	root["title"] = "A " + string(kind) + " of Stanch"
	root["definitions"] = s.definitions
	return root
}

type schemaWriter struct {
	catalog     *actions.Catalog
	definitions Schema
}

func ref(name string) Schema { return Schema{"$ref": "#/definitions/" + name} }

// described adds what an editor shows.
func described(s Schema, doc string) Schema {
	if doc == "" {
		return s
	}
	if _, isRef := s["$ref"]; isRef { // draft-07 reads nothing beside $ref
		s = Schema{"allOf": []Schema{s}}
	}
	s["description"], s["markdownDescription"] = doc, doc
	return s
}

// place is the schema of a mapping of the language.
func (s *schemaWriter) place(name string) Schema {
	p := grammar()[name]
	properties, required := Schema{}, []string{}
	for _, k := range p.keys {
		properties[k.name] = described(s.form(k.form), k.doc)
		if k.must {
			required = append(required, k.name)
		}
	}
	out := described(Schema{"type": "object", "additionalProperties": false, "properties": properties}, p.doc)
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// form is the schema of what may stand behind a key.
func (s *schemaWriter) form(f form) Schema {
	out := s.plainForm(f)
	if f.other != nil {
		return Schema{"anyOf": []Schema{out, s.form(*f.other)}}
	}
	return out
}

func (s *schemaWriter) plainForm(f form) Schema {
	text := Schema{"type": "string"}
	question := Schema{"type": []string{"string", "number", "boolean"}}
	byName := func(value Schema) Schema {
		return Schema{"type": "object", "additionalProperties": value, "propertyNames": Schema{"pattern": namePattern.String()}}
	}
	switch f.kind {
	case formText, formProse, formTime:
		return text
	case formQuestion:
		return question
	case formDuration:
		return Schema{"type": "string", "pattern": durationPattern + "|" + inBraces}
	case formWhole:
		return Schema{"type": "integer", "minimum": f.least, "maximum": f.most}
	case formNumber:
		return Schema{"type": "number"}
	case formBoolean:
		return Schema{"type": "boolean"}
	case formWord:
		return Schema{"enum": f.words}
	case formWords:
		return Schema{"type": "array", "items": Schema{"enum": f.words}, "uniqueItems": true, "minItems": 1}
	case formTexts, formStepIDs:
		return Schema{"type": "array", "items": text}
	case formList:
		return Schema{"type": "array"}
	case formPlace:
		return ref(f.place)
	case formNamed:
		return byName(ref(f.place))
	case formQuestions:
		out := byName(question)
		out["minProperties"] = 1
		return out
	case formTemplates:
		return byName(Schema{})
	case formTypes:
		return Schema{"type": "object", "additionalProperties": ref("type")}
	case formType:
		return ref("type")
	case formNumbers:
		return closed(f.names, Schema{"type": "integer", "minimum": 0})
	case formTextLists:
		return closed(f.names, Schema{"type": "array", "items": text})
	case formSteps:
		return Schema{"type": "array", "items": ref("step"), "minItems": f.least}
	case formAction:
		return s.action()
	case formWith:
		return Schema{"type": "object"}
	case formPlaybook:
		return Schema{"type": "string", "pattern": kebabPattern.String()}
	}
	return Schema{} // data and constants: anything
}

// closed is a mapping with some keys and no others.
func closed(names []string, value Schema) Schema {
	properties := Schema{}
	for _, name := range names {
		properties[name] = value
	}
	return Schema{"type": "object", "additionalProperties": false, "properties": properties}
}

// typeSchema is how a type is written.
func typeSchema() Schema {
	return described(Schema{"anyOf": []Schema{
		{"type": "string"},
		{"type": "array", "items": ref("type"), "minItems": 1, "maxItems": 1},
		{"type": "object", "additionalProperties": ref("type"), "minProperties": 1},
	}}, "A type: "+strings.Join(typeNames(), ", ")+"; `[TYPE]` is a list, a mapping of fields a record.")
}

func (s *schemaWriter) action() Schema {
	if s.catalog == nil {
		return Schema{"type": "string"}
	}
	names, docs := s.catalog.Names(), []string{}
	for _, name := range names {
		a, _ := s.catalog.Lookup(name)
		docs = append(docs, a.Doc)
	}
	return Schema{"enum": names, "enumDescriptions": docs}
}

// step is the schema of a step: one kind, the keys of that kind, and `with` as
// the action takes it.
func (s *schemaWriter) step() Schema {
	out := s.place("step")
	kinds, rules := []Schema{}, []Schema{}
	for _, sh := range shapes() {
		is := Schema{"required": []string{sh.key}}
		if sh.kind == Block { // for_each has steps too
			is["not"] = Schema{"required": []string{"for_each"}}
		}
		kinds = append(kinds, is)
		keys := slices.Concat([]string{"id", "title", "if", sh.key}, sh.own, sh.also)
		then := Schema{"propertyNames": Schema{"enum": keys}}
		if sh.kind == ForEach {
			then["required"] = []string{"steps"}
		}
		rules = append(rules, Schema{"if": is, "then": then})
	}
	rules = append(rules, Schema{"if": Schema{"required": []string{"else"}}, "then": Schema{"required": []string{"if"}}})
	if s.catalog != nil {
		for _, name := range s.catalog.Names() {
			a, _ := s.catalog.Lookup(name)
			s.definitions["with "+name] = s.with(a)
			then := Schema{"properties": Schema{"with": Schema{"$ref": "#/definitions/with%20" + name}}}
			if len(requiredParams(a)) > 0 {
				then["required"] = []string{"with"}
			}
			rules = append(rules, Schema{
				"if":   Schema{"properties": Schema{"uses": Schema{"const": name}}, "required": []string{"uses"}},
				"then": then,
			})
		}
	}
	out["oneOf"], out["allOf"] = kinds, rules
	return out
}

// requiredParams are the params that a step must give an action.
func requiredParams(a actions.Action) []string {
	names := []string{}
	for f := range a.Params.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" && f.Type.Kind() != reflect.Pointer && !strings.Contains(options, "omit") {
			names = append(names, name)
		}
	}
	return names
}

// with is the schema of an action's params.
func (s *schemaWriter) with(a actions.Action) Schema {
	properties := Schema{}
	for _, f := range TypeOf(a.Params).Fields() {
		properties[f.Name] = described(dataSchema(f.Type, 0), f.Doc)
	}
	return described(Schema{
		"type": "object", "additionalProperties": false, "properties": properties, "required": requiredParams(a),
	}, a.Doc)
}

// dataSchema is the schema of data of a type; ${{ }} may stand in place of it.
func dataSchema(t Type, depth int) Schema {
	t = t.Present()
	template := Schema{"type": "string", "pattern": inBraces}
	or := func(s Schema) Schema { return Schema{"anyOf": []Schema{s, template}} }
	switch t.kind {
	case kindString, kindTime:
		return Schema{"type": "string"}
	case kindDuration:
		return Schema{"type": "string", "pattern": durationPattern + "|" + inBraces}
	case kindSize:
		return Schema{"type": []string{"string", "integer"}}
	case kindInteger:
		return or(Schema{"type": "integer"})
	case kindNumber:
		return or(Schema{"type": "number"})
	case kindBoolean:
		return or(Schema{"type": "boolean"})
	case kindEnum:
		return or(Schema{"enum": t.Values()})
	case kindRef:
		return Schema{"type": []string{"string", "object"}}
	}
	if depth > 4 {
		return Schema{}
	}
	switch t.kind {
	case kindList:
		return or(Schema{"type": "array", "items": dataSchema(t.def.elem, depth+1)})
	case kindMap:
		return or(Schema{"type": "object", "additionalProperties": dataSchema(t.def.elem, depth+1)})
	case kindRecord:
		properties, required := Schema{}, []string{}
		for _, f := range t.Fields() {
			properties[f.Name] = described(dataSchema(f.Type, depth+1), f.Doc)
			if f.Type.needed() {
				required = append(required, f.Name)
			}
		}
		return or(Schema{"type": "object", "additionalProperties": false, "properties": properties, "required": required})
	}
	return Schema{}
}

// GoSchema is the JSON Schema of a file that is decoded into a Go struct: its
// keys are those of a tag (json, yaml), described by `doc`, bounded by `enum` and
// `required`.
func GoSchema(t reflect.Type, tag, id, title string) Schema {
	g := &goSchema{tag: tag, definitions: Schema{}}
	root := g.record(t)
	root["$schema"], root["$id"], root["title"], root["definitions"] = draft, id, title, g.definitions
	return root
}

type goSchema struct {
	tag         string
	definitions Schema
}

func (g *goSchema) record(t reflect.Type) Schema {
	properties, required := Schema{}, []string{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get(g.tag), ",")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		value := g.of(f.Type)
		if words := f.Tag.Get("enum"); words != "" {
			value = Schema{"enum": strings.Split(words, ",")}
		}
		properties[name] = described(value, f.Tag.Get("doc"))
		if f.Tag.Get("required") == "true" {
			required = append(required, name)
		}
	}
	return Schema{"type": "object", "additionalProperties": false, "properties": properties, "required": required}
}

func (g *goSchema) of(t reflect.Type) Schema {
	switch t {
	case reflect.TypeFor[time.Time]():
		return Schema{"type": "string"}
	case reflect.TypeFor[time.Duration]():
		return Schema{"type": "string", "pattern": durationPattern}
	case reflect.TypeFor[CaseAction](): // or just the output
		return Schema{}
	case reflect.TypeFor[CaseAnswer]():
		one := g.of(t.Elem())
		return Schema{"anyOf": []Schema{one, {"type": "array", "items": one}}}
	case reflect.TypeFor[ExpectEffects]():
		list := Schema{"type": "array", "items": g.of(reflect.TypeFor[ExpectEffect]())}
		return Schema{"anyOf": []Schema{list, g.record(t)}}
	case reflect.TypeFor[[]CaseCheck]():
		one := Schema{"type": []string{"string", "boolean", "number"}}
		return Schema{"anyOf": []Schema{one, {"type": "array", "items": one}}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.of(t.Elem())
	case reflect.String:
		return Schema{"type": "string"}
	case reflect.Bool:
		return Schema{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return Schema{"type": "integer"}
	case reflect.Float64:
		return Schema{"type": "number"}
	case reflect.Slice:
		return Schema{"type": "array", "items": g.of(t.Elem())}
	case reflect.Map:
		return Schema{"type": "object", "additionalProperties": g.of(t.Elem())}
	case reflect.Struct:
		name := snakeCase(t.Name())
		if _, known := g.definitions[name]; !known {
			g.definitions[name] = Schema{} // what refers to itself refers to this
			g.definitions[name] = g.record(t)
		}
		return ref(name)
	}
	return Schema{}
}
