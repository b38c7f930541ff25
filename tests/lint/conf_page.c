/* conf_page - prints docs/man/bridgehead.conf.5 from the configuration table, or compares (--check
 * FILE). */
#include "app/app_conf.h"
#include <stdio.h>
#include <stdlib.h>

static const char head[] =
    ".\\\" Written by tests/lint/conf_page.c from the table in mta/app/app_conf.c.\n"
    ".Dd November 21, 2026\n"
    ".Dt BRIDGEHEAD.CONF 5\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm bridgehead.conf\n"
    ".Nd configuration of a Bridgehead instance\n"
    ".Sh DESCRIPTION\n"
    "One file for each instance,\n"
    ".Pa /etc/bridgehead/NAME.conf ,\n"
    "the same on every node of the cluster,\n"
    "readable for the account of the server, which reads it again at a reload.\n"
    "Its base name is the instance.\n"
    "The syntax is that of libconfig: settings end in a semicolon, groups are in braces, lists in "
    "brackets.\n"
    "An unknown key, a wrong type, a key given twice or a value out of range is an error that "
    "names file, line, key and cure, and nothing starts;\n"
    ".Ql bridgeheadd --check\n"
    "finds them all.\n"
    ".Pp\n"
    "Durations are written like\n"
    ".Ql \"30s\" ,\n"
    ".Ql \"5min\" ,\n"
    ".Ql \"4h\" ,\n"
    ".Ql \"5d\" ;\n"
    "sizes like\n"
    ".Ql \"256MiB\" .\n"
    "A\n"
    ".Ql *\n"
    "in a key stands for a name of yours.\n"
    "A reload is\n"
    ".Ql bridgehead reload\n"
    "or SIGHUP; it is all or nothing.\n"
    ".Sh SETTINGS\n";
static const char tail[] =
    ".Sh EXAMPLES\n"
    ".Bd -literal\n"
    "hostname = \"mx.example.org\";\n"
    "vip      = [\"192.0.2.10\", \"2001:db8::10\"];\n"
    "store    = { path = \"/srv/relay\"; };\n"
    "cluster  = { mode = \"pacemaker\"; };\n"
    "listener = { mx = { protocol = \"smtp\"; address = \"vip\"; port = 25; }; };\n"
    "relay    = { domains = [\"example.org\", \"*.example.org\"]; };\n"
    "connector = {\n"
    "  upstream = { protocol = \"smtp\"; next_hop = [\"[192.0.2.25]:25\"]; };\n"
    "  internet = { protocol = \"smtp\"; };\n"
    "};\n"
    "route = ( { to = \"example.org\"; via = [\"upstream\"]; },\n"
    "          { to = \"*\"; via = [\"internet\"]; } );\n"
    ".Ed\n"
    ".Sh SEE ALSO\n"
    ".Xr ocf_bridgehead_mta 7 ,\n"
    ".Xr bridgehead 8 ,\n"
    ".Xr bridgeheadd 8\n";

static void
put(void *ctx, struct slice text)
{
    (void)fwrite(text.p, 1, text.n, ctx);
}

int
main(int argc, char **argv)
{
    size_t rows, n = 0, m = 0;
    const struct conf_key *table = app_conf_table(&rows);
    char *page = NULL, *have = NULL;
    FILE *out = argc == 3 ? open_memstream(&page, &n) : stdout;
    FILE *in;

    if (out == NULL) {
        return 1;
    }
    (void)fputs(head, out);
    conf_print_mdoc(table, rows, put, out);
    (void)fputs(tail, out);
    if (argc != 3) {
        return 0;
    }
    (void)fclose(out);
    in = fopen(argv[2], "r");
    have = malloc(n + 2);
    if (in == NULL || have == NULL) {
        (void)fprintf(stderr, "conf_page: cannot read %s\n", argv[2]);
        return 1;
    }
    m = fread(have, 1, n + 1, in);
    (void)fclose(in);
    if (m != n || memcmp(have, page, n) != 0) {
        (void)fprintf(stderr,
            "conf_page: %s is not what the table says; write it anew: conf_page >%s\n", argv[2],
            argv[2]);
        return 1;
    }
    free(page);
    free(have);
    return 0;
}
