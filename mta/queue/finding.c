#include "queue/finding.h"

static const struct row {
    enum bridgehead_finding kind;
    enum level { LEVEL_NOTE, LEVEL_WARNING, LEVEL_DAMAGE } level;
    const char *name, *what, *cure;
} rows[] = {
#define ROW(symbol, number, name, level, what, cause, cure)                                        \
    { symbol, LEVEL_##level, name, what, cure },
    BRIDGEHEAD_FINDINGS(ROW)
#undef ROW
};

static const struct row *
row_of(enum bridgehead_finding kind)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].kind == kind) {
            return &rows[i];
        }
    }
    return &rows[0];
}

const char *
finding_name(enum bridgehead_finding kind)
{
    return row_of(kind)->name;
}

const char *
finding_what(enum bridgehead_finding kind)
{
    return row_of(kind)->what;
}

const char *
finding_cure(enum bridgehead_finding kind)
{
    return row_of(kind)->cure;
}

bool
finding_is_damage(enum bridgehead_finding kind)
{
    return row_of(kind)->level == LEVEL_DAMAGE;
}

const char *
finding_level(enum bridgehead_finding kind)
{
    static const char *const texts[] = { "note", "warning", "damage" };

    return texts[row_of(kind)->level];
}
