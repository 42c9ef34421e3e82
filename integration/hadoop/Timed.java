import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FsShell;
import org.apache.hadoop.util.ToolRunner;

/**
 * Runs commands of hdfs dfs in one JVM, so that the time of a command is without the start of the JVM. Each line
 * of standard input is a command, with tabs between its arguments. The answer is one line on standard output: the exit
 * code and the nanoseconds.
 */
public class Timed {
    public static void main(String[] unused) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err); // the output of commands
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = commands.readLine()) != null; ) {
            long begun = System.nanoTime();
            int code = ToolRunner.run(new Configuration(), new FsShell(), line.split("\t"));
            answers.println(code + " " + (System.nanoTime() - begun));
            answers.flush();
        }
    }
}
