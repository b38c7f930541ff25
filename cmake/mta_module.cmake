# mta_module(NAME PUBLIC_HEADERS h… SOURCES c… DEPENDS module… LIBS target…)
#
# One folder of mta/ is one static library mta_NAME. DEPENDS names the only other
# folders whose headers it may include (everyone may include core); the ctest
# lint_layers compares that with the #include lines.
function(mta_module name)
    cmake_parse_arguments(M "" "" "PUBLIC_HEADERS;SOURCES;DEPENDS;LIBS" ${ARGN})
    # While a folder grows, a contract may be there before its code: the linker names what is missing.
    file(WRITE ${CMAKE_BINARY_DIR}/layers/${name}.c "typedef int module_${name}_may_be_empty;\n")
    set(present ${CMAKE_BINARY_DIR}/layers/${name}.c)
    foreach(src IN LISTS M_SOURCES)
        if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${src})
            list(APPEND present ${src})
        else()
            message(STATUS "mta/${name}/${src} is not written yet")
        endif()
    endforeach()
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR})
    add_library(mta_${name} STATIC ${present})
    target_sources(mta_${name} PUBLIC FILE_SET HEADERS
        BASE_DIRS ${CMAKE_SOURCE_DIR}/mta FILES ${M_PUBLIC_HEADERS})
    if(NOT name STREQUAL "core")
        target_link_libraries(mta_${name} PUBLIC mta_core)
    endif()
    foreach(dep IN LISTS M_DEPENDS)
        target_link_libraries(mta_${name} PUBLIC mta_${dep})
    endforeach()
    target_link_libraries(mta_${name} PUBLIC ${M_LIBS})
    set_property(GLOBAL APPEND PROPERTY MTA_MODULES ${name})
    # which module a source belongs to: tests/unit/test_FILE.c links just that one
    foreach(src IN LISTS M_SOURCES)
        get_filename_component(stem ${src} NAME_WE)
        set_property(GLOBAL PROPERTY MTA_MODULE_OF_${stem} ${name})
    endforeach()
    # for lint_layers
    string(JOIN " " deps ${M_DEPENDS})
    file(WRITE ${CMAKE_BINARY_DIR}/layers/${name} "${deps}\n")
endfunction()
