// Package arch has only tests, over the source of the whole repository:
//
//   - each package imports only the packages that the table in package_rules_test.go allows, and both
//     the table and docs/architecture.md have every package;
//   - functions outside tests have at most 60 lines;
//   - exported signatures name no type that other modules cannot import;
//   - comments, error texts and pages avoid the phrases listed in words_test.go, and exported
//     names have comments.
package arch
