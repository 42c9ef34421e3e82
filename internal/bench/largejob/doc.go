// Package largejob is a job whose state is larger than memory. It writes 20,000,000 keys twice
// and compares every value that it reads with the one written last. The job does not depend on
// the backend, and does not know that the harness kills its process.
package largejob
