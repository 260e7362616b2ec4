package sqlitestore

import "errors"

// workerOf is told on Unix only.
func workerOf(string) (pid string, alive bool, err error) {
	return "", false, errors.New("it is not told on this system")
}
