// Package largejob is a job whose state is larger than memory: it writes 20,000,000 keys
// twice and compares every value that it reads with the one that was written last. It
// may not know who runs it, on which backend, nor that its process is killed.
package largejob
