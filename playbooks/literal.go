package playbooks

// Text is a template that is just that text, for playbooks that no file holds.
func Text(s string) *Template { return &Template{typ: StringType(), literal: s} }

// Texts is a template that is a list of texts.
func Texts(list ...string) *Template {
	values := make([]any, len(list))
	for i, s := range list {
		values[i] = s
	}
	return &Template{typ: ListOf(StringType()), literal: values}
}

// Data is a template that is just those values.
func Data(values map[string]any) *Template {
	return &Template{typ: MapOf(AnyType()), literal: values}
}
