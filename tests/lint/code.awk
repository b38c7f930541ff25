# Print "file:line:code" for each line of C, without comments and without the inside of strings
# (an #include keeps its name), so that the checks see code only.
FNR == 1 { comment = 0 }
{
    out = ""
    line = $0
    keep = line ~ /^[ \t]*#[ \t]*include/
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        two = substr(line, i, 2)
        if (comment) {
            if (two == "*/") { comment = 0; i++ }
        } else if (two == "/*") {
            comment = 1; i++
        } else if (two == "//") {
            break
        } else if ((c == "\"" || c == "'") && !keep) {
            out = out c
            for (i++; i <= length(line) && substr(line, i, 1) != c; i++)
                if (substr(line, i, 1) == "\\") i++
            out = out c
        } else {
            out = out c
        }
    }
    if (out !~ /^[ \t]*$/) print FILENAME ":" FNR ":" out
}
