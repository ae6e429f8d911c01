# The line "%TABLES%" of IN becomes the reference that PROGRAM prints about itself; the result is OUT.
execute_process(COMMAND ${PROGRAM} --help-roff OUTPUT_VARIABLE tables COMMAND_ERROR_IS_FATAL ANY)
file(READ ${IN} page)
string(REPLACE "%TABLES%\n" "${tables}" page "${page}")
file(WRITE ${OUT} "${page}")
