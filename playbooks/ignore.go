package playbooks

// ofIgnores reports the codes that are about suppressing itself.
func ofIgnores(code string) bool {
	return code == "E120" || code == "E121" || code == "W530"
}
