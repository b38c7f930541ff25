#include "core/base64.h"

void
base64_encode(struct slice s, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)(unsigned char)s.p[i] << 16 |
                     (left > 1 ? (uint32_t)(unsigned char)s.p[i + 1] << 8 : 0) |
                     (left > 2 ? (uint32_t)(unsigned char)s.p[i + 2] : 0);

        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = left > 1 ? digits[v >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[v & 63] : '=';
    }
}

static int
digit_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

ssize_t
base64_decode(struct slice text, char *out, size_t cap)
{
    uint32_t v = 0;
    unsigned bits = 0;
    size_t n = 0;

    while (text.n > 0 && text.p[text.n - 1] == '=') {
        text.n--;
    }
    for (size_t i = 0; i < text.n; i++) {
        int d = digit_of(text.p[i]);

        if (d < 0) {
            return -1;
        }
        v = v << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            if (n == cap) {
                return -1;
            }
            out[n++] = (char)(v >> bits & 0xff);
        }
    }
    return (ssize_t)n;
}
