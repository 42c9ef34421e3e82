// Package hadoop has the list of the jars of Hadoop and the template of its configuration.
package hadoop

import _ "embed"

// POM lists the jars of a NameNode, a DataNode and a client, for Maven.
//
//go:embed pom.xml
var POM string

// Site is the template of core-site.xml and hdfs-site.xml. The words @DIR@,
// @PORT+0@ to @PORT+4@ and @EXTRA@ must be replaced.
//
//go:embed hdfs-site.xml.in
var Site string

// Timed is the source of a Java program that runs commands of hdfs dfs and measures their time.
//
//go:embed Timed.java
var Timed string
